#ifndef CAFFE_UTIL_WINOGRAD_KERNELS_HPP_
#define CAFFE_UTIL_WINOGRAD_KERNELS_HPP_

#include <algorithm>
#include <vector>

namespace caffe {

/**
 * What winograd_conv.cpp does its work with: written once, in
 * winograd_kernels.inc, and compiled for each instruction set.
 *
 * Vectors are of `lanes` numbers. A tile is 4 x 4 pixels. The spectrum of a
 * map has 36 numbers a tile; a chunk is as many tiles as a vector has lanes,
 * so that the spectrum of a chunk of a map is 36 vectors.
 */
namespace winograd {

const int kTile = 4;
const int kSpectrum = 6;    // numbers of a tile's spectrum, on each axis
const int kProducts = kSpectrum * kSpectrum;
const int kKernel = 3;
const int kTaps = kKernel * kKernel;
const int kStrips = 4;      // of a chunk
const int kAhead = 2;       // maps whose pixels are fetched beforehand

/// @brief Where a map of each image lies in a blob, and the steps to the next
///        image, row and column; to the next column 1 or 2.
template <typename Number>
struct Map {
  Number* data;
  long image, row, column;
};

/// @brief The tiles of a blob's maps. Strips are parts of a row of tiles as
///        wide as a vector; four of them, wherever they lie, are a chunk.
class Grid {
 public:
  /// @brief Of a strip's first pixel. Those that fill up the last chunk lie
  ///        below the map, where no row is.
  struct Place {
    int image, y, x;
  };

  Grid(int num, int height, int width, int lanes)
      : height(height), width(width) {
    for (int image = 0; image < num; ++image) {
      for (int y = 0; y < height; y += kTile) {
        for (int x = 0; x < width; x += lanes) {
          places_.push_back({image, y, x});
        }
      }
    }
    while (places_.size() % kStrips) { places_.push_back({0, height + 1, 0}); }
  }
  int chunks() const { return places_.size() / kStrips; }
  /// @brief The strips of a chunk.
  const Place* At(int chunk) const { return &places_[chunk * kStrips]; }

  const int height, width;

 private:
  std::vector<Place> places_;
};

/// @brief Has the pixels of a chunk of a map, and `round` rows above and below
///        each tile, fetched into the cache.
// Inlined by force: GCC 12 drops calls of what does nothing but prefetch.
__attribute__((always_inline)) inline void fetch(const Grid& grid, int chunk,
    const Map<const float>& map, int round) {
  for (int s = 0; s < kStrips; ++s) {
    const Grid::Place& at = grid.At(chunk)[s];
    const int end = std::min(grid.height, at.y + kTile + round);
    for (int y = std::max(0, at.y - round); y < end; ++y) {
      __builtin_prefetch(map.data + at.image * map.image + y * map.row +
          at.x * map.column);
    }
  }
}

/**
 * @brief sums[row][vector] (+)= sum over i < inner of
 *        numbers[i][row] * factors[i][vector].
 *
 * i is two indices, the block i / lanes and i % lanes.
 */
struct Product {
  int inner, rows, vectors;
  /// [block][i % lanes][vector], by the steps named so.
  const float* factors;
  long factors_block, factors_inner, factors_vector;
  /// [block][row / lanes], by the steps named so, and after these
  /// [i % lanes][row % lanes], if rows_last, or [row % lanes][i % lanes].
  const float* numbers;
  long numbers_block, numbers_rows;
  bool rows_last;
  float* sums;
  long sums_row;
  bool more;  ///< add to the sums
};

struct Kernels {
  int lanes;

  /// @brief to[36 of them, a step apart][lanes]: the spectrum of a chunk of a
  ///        map, as input, which sees a pixel round each tile.
  void (*input)(const Grid&, int chunk, const Map<const float>& map, float* to,
      long step);

  /// @brief to[36][lane of the tile][lane of the map]: that of as many maps as
  ///        a vector has lanes, as the gradient of the output. `maps` are
  ///        there; the others are taken as 0.
  void (*output_diff)(const Grid&, int chunk, const Map<const float>* map,
      int maps, float* to, long step, long step_tile);

  /// @brief The pixels of a chunk of a map, from the spectrum of the output.
  void (*output)(const Grid&, int chunk, const float* from, long step,
      float bias, const Map<float>& map);

  /// @brief to[36][channel][lane of the row]: of weights[row][channel][tap];
  ///        rows that are not there count as 0.
  void (*weights)(const float* weights, long step_row, int rows, int channels,
      bool turned, float* to, long step);

  /// @brief weights[row][channel][tap] += those of the gradient's spectrum,
  ///        from[36][channel][lane of the row].
  void (*weights_diff)(const float* from, long step, long step_channel,
      int rows, int channels, float* weights, long step_row);

  void (*multiply)(const Product& product);

  /// @brief to[column][row] = from[row][column], as many of both as a vector
  ///        has lanes; those that are not there count as 0.
  void (*transposed)(const float* from, long step_row, int rows, int columns,
      float* to, long step_column);
};

/// @brief Null where this CPU cannot, or the compiler could not.
const Kernels* avx512_kernels();
const Kernels* avx2_kernels();
/// @brief The faster ones; null: neither.
inline const Kernels* best_kernels() {
  const Kernels* wide = avx512_kernels();
  return wide ? wide : avx2_kernels();
}
/// @brief The same, where there are some.
inline const Kernels& kernels() {
  static const Kernels* best = best_kernels();
  return *best;
}

}  // namespace winograd
}  // namespace caffe

#endif  // CAFFE_UTIL_WINOGRAD_KERNELS_HPP_
