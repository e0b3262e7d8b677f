#include <algorithm>
#include <cstring>
#include <vector>

#include "caffe/util/cores.hpp"
#include "caffe/util/pointwise_conv.hpp"
#include "caffe/util/scratch.hpp"
#include "caffe/util/simd.hpp"
#include "caffe/util/winograd_kernels.hpp"

namespace caffe {

namespace pointwise {

using winograd::kernels;
using winograd::Product;

namespace {

const int kPlaces = 128;      // of a map that a thread does together
const int kRows = 32;         // of the result at a time
const int kLeastRows = 8;     // of a product, two vectors wide
const long kWave = 1 << 17;   // numbers of maps and gradients, for all threads
// Fewer products are done before threads wake.
const long kParallelFrom = 50000;

int pairs_of_vectors(int count) {
  return rounded_up(count, 2 * kernels().lanes);
}

// A matrix as a Product takes its numbers: [column / lanes][row / lanes], by
// the two steps, [row % lanes][column % lanes]. Zeros beyond its edges.
struct Blocks {
  float* data;
  long rows_step, columns_step;

  float& At(int row, int column) const {
    const int lanes = kernels().lanes;
    return data[row / lanes * rows_step + column / lanes * columns_step +
        row % lanes * lanes + column % lanes];
  }

  // Rows `row` to `row` + lanes, of `rows` and `columns` there are.
  void Fill(const float* matrix, long matrix_step, int row, int rows,
      int columns) const {
    const int lanes = kernels().lanes;
    for (int c = 0; c < columns; c += lanes) {
      float* block = &At(row, c);
      const int some = std::min(lanes, columns - c);
      for (int r = 0; r < lanes; ++r, block += lanes) {
        const int copied = row + r < rows ? some : 0;
        if (copied) {
          std::memcpy(block, matrix + (row + r) * matrix_step + c,
              copied * sizeof(float));
        }
        std::fill(block + copied, block + lanes, 0.f);
      }
    }
  }
};

// to[n][row][place] = sum over i < product.inner of product.numbers[i][row] *
// from[n][i][place]. The last i, if `ones`, is of a map of ones.
void multiply_maps(const Product& by, bool ones, int num, long places,
    const float* from, float* to) {
  const int lanes = kernels().lanes;
  const int parts = parts_of(places, kPlaces), channels = by.inner - ones;
  // Steps of a power of two would put all rows into the same cache lines.
  const long step = kPlaces + 16;
  const bool parallel = num * places * by.inner * by.rows > kParallelFrom;
#pragma omp parallel for num_threads(cores::threads()) if (parallel)
  for (int i = 0; i < num * parts; ++i) {
    static thread_local Scratch maps_scratch, sums_scratch;
    float* const maps = maps_scratch.Get(by.inner * step);
    float* const sums = sums_scratch.Get(kRows * step);
    const long n = i / parts, place = i % parts * kPlaces;
    const int count = std::min<long>(kPlaces, places - place);
    const int room = pairs_of_vectors(count);
    for (int c = 0; c < channels; ++c) {
      float* map = maps + c * step;
      std::memcpy(map, from + (n * channels + c) * places + place,
          count * sizeof(float));
      std::fill(map + count, map + room, 0.f);
    }
    if (ones) { std::fill_n(maps + channels * step, room, 1.f); }
    Product product = by;
    product.vectors = room / lanes;
    product.factors = maps;
    product.factors_block = lanes * step;
    product.factors_inner = step;
    product.factors_vector = lanes;
    product.more = false;
    for (int row = 0; row < by.rows; row += kRows) {
      const int rows = std::min(kRows, by.rows - row);
      float* const result = to + (n * by.rows + row) * places + place;
      product.rows = rounded_up(rows, kLeastRows);
      product.numbers = by.numbers + row / lanes * by.numbers_rows;
      const bool fits = product.rows == rows && room == count;
      product.sums = fits ? result : sums;
      product.sums_row = fits ? places : step;
      kernels().multiply(product);
      for (int r = 0; r < rows && !fits; ++r) {
        std::memcpy(result + r * places, sums + r * step,
            count * sizeof(float));
      }
    }
  }
}

// weights_diff[output][channel] += sum over n, place of
// top_diff[n][output][place] * bottom[n][channel][place]
class WeightGradient {
 public:
  WeightGradient(const ConvSize& size, const float* bottom,
      const float* top_diff)
      : size_(size), bottom_(bottom), top_diff_(top_diff),
        lanes_(kernels().lanes), places_(long(size.height) * size.width),
        channels_(rounded_up(size.channels, kRows)),
        outputs_(pairs_of_vectors(size.outputs)),
        wave_(std::min<long>(rounded_up(places_, lanes_), std::max<long>(lanes_,
            kWave / (channels_ + outputs_) / lanes_ * lanes_))) {}

  void Add(float* weights_diff) const {
    static thread_local Scratch bottom_scratch, diff_scratch, sums_scratch;
    const Blocks bottom = {bottom_scratch.Get(wave_ * channels_),
        lanes_ * lanes_, long(channels_) * lanes_};
    float* const diff = diff_scratch.Get(wave_ * outputs_);
    float* const sums = sums_scratch.Get(long(channels_) * outputs_);
    const bool parallel = size_.num * places_ * size_.channels *
        size_.outputs > kParallelFrom;
#pragma omp parallel num_threads(cores::threads()) if (parallel)
    {
      for (int n = 0; n < size_.num; ++n) {
        for (long place = 0; place < places_; place += wave_) {
          Wave(n, place, bottom, diff, sums);
        }
      }
#pragma omp for
      for (int o = 0; o < size_.outputs; ++o) {
        float* row = weights_diff + long(o) * size_.channels;
        for (int c = 0; c < size_.channels; ++c) {
          row[c] += sums[long(c) * outputs_ + o];
        }
      }
    }
  }

 private:
  // What image n, from `place` on, adds to sums[channel][output]. For all
  // threads of a team.
  void Wave(int n, long place, const Blocks& bottom, float* diff,
      float* sums) const {
    const int count = std::min(wave_, places_ - place);
#pragma omp for nowait
    for (int c = 0; c < channels_; c += lanes_) {
      bottom.Fill(bottom_ + long(n) * size_.channels * places_ + place, places_,
          c, size_.channels, count);
    }
#pragma omp for
    for (int o = 0; o < outputs_; o += lanes_) {  // [place][output]
      const float* maps =
          top_diff_ + (long(n) * size_.outputs + o) * places_ + place;
      const int there = std::max(0, std::min(lanes_, size_.outputs - o));
      for (int p = 0; p < count; p += lanes_) {
        kernels().transposed(maps + p, places_, there,
            std::min(lanes_, count - p), diff + p * outputs_ + o, outputs_);
      }
    }
    Product product;
    product.inner = count;
    product.vectors = 2;
    product.factors_block = lanes_ * outputs_;
    product.factors_inner = outputs_;
    product.factors_vector = lanes_;
    product.numbers_block = bottom.columns_step;
    product.numbers_rows = bottom.rows_step;
    product.rows_last = false;
    product.rows = kRows / 2;
    product.sums_row = outputs_;
    product.more = n > 0 || place > 0;
    const int across = outputs_ / (2 * lanes_), down = channels_ / product.rows;
#pragma omp for schedule(dynamic)
    for (int i = 0; i < across * down; ++i) {
      const int c = i / across * product.rows, o = i % across * 2 * lanes_;
      Product part = product;
      part.factors = diff + o;
      part.numbers = bottom.data + c / lanes_ * bottom.rows_step;
      part.sums = sums + long(c) * outputs_ + o;
      kernels().multiply(part);
    }
  }

  const ConvSize& size_;
  const float* bottom_;
  const float* top_diff_;
  const int lanes_;
  const long places_;
  const int channels_, outputs_;  // rounded up
  const long wave_;               // places at a time
};

// The weights, [outputs][channels], as a Product's numbers; its inner index are
// channels, and then the bias if there is one, or, turned, outputs.
Product weights_as_numbers(const ConvSize& size, const float* weights,
    const float* bias, bool turned) {
  static thread_local Scratch scratch;
  const int lanes = kernels().lanes;
  const long block = lanes * lanes;
  const int columns = size.channels + (bias != NULL);
  const int down = parts_of(size.outputs, lanes);
  const int across = parts_of(columns, lanes);
  // In either case blocks of the inner index lie furthest apart.
  const Blocks blocks = {scratch.Get(block * down * across),
      turned ? block * across : block, turned ? block : block * down};
  for (int o = 0; o < down * lanes; o += lanes) {
    blocks.Fill(weights, size.channels, o, size.outputs, size.channels);
  }
  for (int o = 0; bias && o < size.outputs; ++o) {
    blocks.At(o, size.channels) = bias[o];
  }
  Product product = Product();
  product.inner = turned ? size.outputs : columns;
  product.rows = turned ? size.channels : size.outputs;
  product.numbers = blocks.data;
  product.numbers_block = turned ? blocks.rows_step : blocks.columns_step;
  product.numbers_rows = block;
  product.rows_last = turned;
  return product;
}

}  // namespace
}  // namespace pointwise

bool PointwiseConv::Available() { return winograd::best_kernels() != NULL; }

void PointwiseConv::Forward(const float* bottom, const float* weights,
    const float* bias, const std::vector<ConvPiece>&, float* top) {
  pointwise::multiply_maps(
      pointwise::weights_as_numbers(size_, weights, bias, false), bias != NULL,
      size_.num, long(size_.height) * size_.width, bottom, top);
}

void PointwiseConv::BackwardData(const std::vector<ConvPiece>&,
    const float* top_diff, const float* weights, float* bottom_diff) {
  pointwise::multiply_maps(
      pointwise::weights_as_numbers(size_, weights, NULL, true), false,
      size_.num, long(size_.height) * size_.width, top_diff, bottom_diff);
}

void PointwiseConv::BackwardWeights(const float* bottom,
    const std::vector<ConvPiece>&, const float* top_diff,
    float* weights_diff) {
  if (size_.num == 0) { return; }
  pointwise::WeightGradient(size_, bottom, top_diff).Add(weights_diff);
}

}  // namespace caffe
