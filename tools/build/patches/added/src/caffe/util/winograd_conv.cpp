#include <algorithm>
#include <vector>

#include "caffe/util/cores.hpp"
#include "caffe/util/scratch.hpp"
#include "caffe/util/simd.hpp"
#include "caffe/util/winograd_conv.hpp"
#include "caffe/util/winograd_kernels.hpp"

namespace caffe {

using winograd::Grid;
using winograd::kernels;
using winograd::Map;
using winograd::Product;
using winograd::kProducts;
using winograd::kTaps;

namespace {

// What a thread does together, so that it stays in its core's cache.
const int kTiles = 64;
const int kChannels = 32;
const int kVectors = 2;  // of outputs

const int kCacheLine = 16;  // numbers

typedef std::vector<Map<const float> > Maps;

// [block][36][row][column] numbers.
class Spectra {
 public:
  Spectra(Scratch* buffer, int blocks, int rows, int columns)
      // Steps of a power of two would put all 36 into the same cache lines.
      : row(columns), step(long(rows) * columns + 16), block(kProducts * step),
        data_(buffer->Get(blocks * block)) {}
  float* At(int block, int product, int row, int column = 0) const {
    return data_ + block * this->block + product * step + row * this->row +
        column;
  }

  const long row, step, block;  // to the next row, product and block

 private:
  float* data_;
};

template <typename Number>
std::vector<Map<Number> > maps_of(const std::vector<ConvPiece>& pieces,
    Number* blob) {
  std::vector<Map<Number> > maps;
  for (const ConvPiece& piece : pieces) {
    CHECK(piece.stride[3] == 1 || piece.stride[3] == 2);
    for (int c = 0; c < piece.channels; ++c) {
      maps.push_back({blob + piece.offset + c * piece.stride[1],
          piece.stride[0], piece.stride[2], piece.stride[3]});
    }
  }
  return maps;
}

Grid grid_of(const ConvSize& size) {
  return Grid(size.num, size.height, size.width, kernels().lanes);
}

// The spectra of `count` chunks of all maps: [chunk][36][map][tile]. For all
// threads of a team.
void input_spectra(const Grid& grid, int first, int count, const Maps& maps,
    const Spectra& to) {
  const int channels = maps.size();
#pragma omp for
  for (int i = 0; i < count * channels; ++i) {
    const int c = i / count, chunk = i % count;
    const int next = c + winograd::kAhead;
    if (next < channels) { fetch(grid, first + chunk, maps[next], 1); }
    kernels().input(grid, first + chunk, maps[c], to.At(chunk, 0, c), to.step);
  }
}

// Weights [row][column][tap], or their gradient.
template <typename Number>
struct WeightBlock {
  Number* weights;
  long step_row;
  int rows, columns;

  // Has one of 36 parts of it fetched into the cache.
  __attribute__((always_inline)) void Fetch(int part) const {  // as fetch()
    const int end = (part + 1) * rows / kProducts;
    for (int r = part * rows / kProducts; r < end; ++r) {
      for (int i = 0; i < columns * kTaps; i += kCacheLine) {
        __builtin_prefetch(weights + r * step_row + i, 0, 2);
      }
    }
  }
};

// Maps convolved with weights, [to][from][tap], to maps; or, turned, with
// weights [from][to][tap] turned round.
class Convolution {
 public:
  Convolution(const Grid& grid, const Maps& from, const float* weights,
      bool turned, const float* bias, const std::vector<Map<float> >& to)
      : grid_(grid), from_(from), weights_(weights), turned_(turned),
        bias_(bias), to_(to), channels_(from.size()), all_outputs_(to.size()),
        lanes_(kernels().lanes), outputs_(kVectors * lanes_),
        chunks_(kTiles / lanes_) {}

  void Compute() const {
    static thread_local Scratch input_buffer;
    const int blocks = parts_of(all_outputs_, outputs_);
    // As many tiles at a time as give every thread enough to do.
    const int wave = std::min(grid_.chunks(),
        parts_of(2 * cores::threads(), blocks) * chunks_);
    const Spectra input(&input_buffer, wave, channels_, lanes_);
#pragma omp parallel num_threads(cores::threads())
    for (int first = 0; first < grid_.chunks(); first += wave) {
      const int count = std::min(wave, grid_.chunks() - first);
      input_spectra(grid_, first, count, from_, input);
      const int parts = parts_of(count, chunks_);
#pragma omp for schedule(dynamic)
      for (int i = 0; i < blocks * parts; ++i) {
        const int chunk = i % parts * chunks_;
        Outputs(i / parts * outputs_, input, first, chunk,
            std::min(chunks_, count - chunk));
      }
    }
  }

 private:
  // outputs_ maps, from `output` on, at chunks of the wave that begins at
  // chunk `first` of the grid.
  void Outputs(int output, const Spectra& input, int first, int chunk,
      int chunks) const {
    static thread_local Scratch weights_buffer, sums_buffer;
    const Spectra weights(&weights_buffer, 1, kChannels, outputs_);
    const Spectra sums(&sums_buffer, 1, outputs_, kTiles);
    const int outputs = std::min(outputs_, all_outputs_ - output);
    Product product;
    product.rows = outputs_;
    product.vectors = chunks;
    product.factors_block = lanes_ * lanes_;
    product.factors_inner = lanes_;
    product.factors_vector = input.block;
    product.rows_last = !turned_;
    product.sums_row = sums.row;
    WeightBlock<const float> block = Weights(output, outputs, 0);
    for (int c = 0; c < channels_; c += kChannels) {
      // [channels / lanes][output][lane] or [outputs / lanes][channel][lane]
      const int room = turned_ ? outputs_ : block.columns;
      const int channels = turned_ ? block.rows : block.columns;
      for (int r = 0; r < block.rows; r += lanes_) {
        kernels().weights(block.weights + r * block.step_row, block.step_row,
            std::min(lanes_, block.rows - r), block.columns, turned_,
            weights.At(0, 0, 0, r * room), weights.step);
      }
      product.inner = channels;
      product.numbers_block = lanes_ * (turned_ ? outputs_ : lanes_);
      product.numbers_rows = lanes_ * (turned_ ? lanes_ : channels);
      product.more = c > 0;
      block = Weights(output, outputs, c + kChannels);
      for (int p = 0; p < kProducts; ++p) {
        block.Fetch(p);
        product.factors = input.At(chunk, p, c);
        product.numbers = weights.At(0, p, 0);
        product.sums = sums.At(0, p, 0);
        kernels().multiply(product);
      }
    }
    for (int o = 0; o < outputs; ++o) {
      for (int k = 0; k < chunks; ++k) {
        kernels().output(grid_, first + chunk + k,
            sums.At(0, 0, o, k * lanes_), sums.step,
            bias_ ? bias_[output + o] : 0, to_[output + o]);
      }
    }
  }

  // Those of `outputs` maps by kChannels channels, or by as many as there are.
  WeightBlock<const float> Weights(int output, int outputs, int c) const {
    const int channels = std::max(0, std::min(kChannels, channels_ - c));
    if (turned_) {
      return {weights_ + (long(c) * all_outputs_ + output) * kTaps,
          long(all_outputs_) * kTaps, channels, outputs};
    }
    return {weights_ + (long(output) * channels_ + c) * kTaps,
        long(channels_) * kTaps, outputs, channels};
  }

  const Grid& grid_;
  const Maps& from_;
  const float* weights_;
  const bool turned_;
  const float* bias_;
  const std::vector<Map<float> >& to_;
  const int channels_, all_outputs_, lanes_, outputs_, chunks_;
};

// weights[top][bottom][tap] += their gradient.
class WeightGradient {
 public:
  WeightGradient(const Grid& grid, const Maps& bottom, const Maps& top,
      float* weights)
      : grid_(grid), bottom_(bottom), top_(top), weights_(weights),
        channels_(bottom.size()), all_outputs_(top.size()),
        lanes_(kernels().lanes), outputs_(kVectors * lanes_),
        blocks_(parts_of(all_outputs_, outputs_)),
        channels_together_(Enough(2 * kChannels) ? 2 * kChannels : kChannels) {}

  void Add() const {
    static thread_local Scratch input_buffer, diff_buffer;
    const int groups = parts_of(channels_, channels_together_);
    const int wave = std::min(grid_.chunks(), kTiles / lanes_);
    const Spectra input(&input_buffer, wave, rounded_up(channels_, kRows),
        lanes_);
    const Spectra diff(&diff_buffer, wave, blocks_ * lanes_, outputs_);
#pragma omp parallel num_threads(cores::threads())
    for (int first = 0; first < grid_.chunks(); first += wave) {
      const int count = std::min(wave, grid_.chunks() - first);
      input_spectra(grid_, first, count, bottom_, input);
      DiffSpectra(first, count, diff);
#pragma omp for schedule(dynamic)
      for (int i = 0; i < blocks_ * groups; ++i) {
        Weights(i / groups * outputs_, i % groups * channels_together_, input,
            diff, count);
      }
    }
  }

 private:
  static const int kRows = 16;  // of a product, at least

  // Whether so many channels at a time leave every thread enough to do.
  bool Enough(int channels) const {
    return blocks_ * parts_of(channels_, channels) >= 2 * cores::threads();
  }

  // The row of the spectra with outputs_ outputs, of the chunk's first tile.
  int DiffRow(int output) const { return output / outputs_ * lanes_; }

  // [chunk][36][output / outputs_][tile][output % outputs_]. For all threads
  // of a team.
  void DiffSpectra(int first, int count, const Spectra& to) const {
    const int vectors = blocks_ * kVectors;
#pragma omp for
    for (int i = 0; i < count * vectors; ++i) {
      const int o = i / count * lanes_, chunk = i % count;
      const int outputs = std::max(0, std::min(lanes_, all_outputs_ - o));
      kernels().output_diff(grid_, first + chunk, top_.data() + o, outputs,
          to.At(chunk, 0, DiffRow(o), o % outputs_), to.step, to.row);
    }
  }

  // Those of outputs_ outputs by channels_together_ channels.
  void Weights(int output, int c, const Spectra& input, const Spectra& diff,
      int chunks) const {
    static thread_local Scratch sums_buffer;
    const Spectra sums(&sums_buffer, 1, channels_together_, outputs_);
    const int channels = std::min(channels_together_, channels_ - c);
    Product product;
    product.inner = chunks * lanes_;
    product.rows = rounded_up(channels, kRows);
    product.vectors = kVectors;
    product.factors_block = diff.block;
    product.factors_inner = diff.row;
    product.factors_vector = lanes_;
    product.numbers_block = input.block;
    product.numbers_rows = lanes_ * lanes_;
    product.rows_last = false;
    product.sums_row = sums.row;
    product.more = false;
    const WeightBlock<float> block = {
        weights_ + (long(output) * channels_ + c) * kTaps,
        long(channels_) * kTaps, std::min(outputs_, all_outputs_ - output),
        channels};
    for (int p = 0; p < kProducts; ++p) {
      block.Fetch(p);
      product.factors = diff.At(0, p, DiffRow(output));
      product.numbers = input.At(0, p, c);
      product.sums = sums.At(0, p, 0);
      kernels().multiply(product);
    }
    for (int r = 0; r < block.rows; r += lanes_) {
      kernels().weights_diff(sums.At(0, 0, 0, r), sums.step, sums.row,
          std::min(lanes_, block.rows - r), block.columns,
          block.weights + r * block.step_row, block.step_row);
    }
  }

  const Grid& grid_;
  const Maps& bottom_;
  const Maps& top_;
  float* weights_;
  const int channels_, all_outputs_, lanes_, outputs_, blocks_;
  const int channels_together_;
};

}  // namespace

bool WinogradConv::Available() { return winograd::best_kernels() != NULL; }

WinogradConv::WinogradConv(const ConvSize& size) : size_(size) {
  const long row = size.width, channel = row * size.height;
  bottom_.push_back({0, size.channels,
      {channel * size.channels, channel, row, 1}, 0});
}

void WinogradConv::Forward(const float* bottom, const float* weights,
    const float* bias, const std::vector<ConvPiece>& pieces, float* top) {
  Convolution(grid_of(size_), maps_of(bottom_, bottom), weights, false, bias,
      maps_of(pieces, top)).Compute();
}

void WinogradConv::BackwardData(const std::vector<ConvPiece>& pieces,
    const float* top_diff, const float* weights, float* bottom_diff) {
  Convolution(grid_of(size_), maps_of(pieces, top_diff), weights, true, NULL,
      maps_of(bottom_, bottom_diff)).Compute();
}

void WinogradConv::BackwardWeights(const float* bottom,
    const std::vector<ConvPiece>& pieces, const float* top_diff,
    float* weights_diff) {
  WeightGradient(grid_of(size_), maps_of(bottom_, bottom),
      maps_of(pieces, top_diff), weights_diff).Add();
}

}  // namespace caffe
