#include <algorithm>
#include <utility>
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

// The spectra of `count` chunks of maps: [chunk][36][map][tile].
class InputSpectra {
 public:
  InputSpectra(const Grid& grid, const Map<const float>* maps, int channels,
      int first, int count, const Spectra& to)
      : grid_(grid), maps_(maps), channels_(channels), first_(first),
        count_(count), to_(to) {}
  int size() const { return count_ * channels_; }
  // One of `size`.
  void Compute(int i) const {
    const int c = i / count_, chunk = i % count_, next = c + winograd::kAhead;
    if (next < channels_) { fetch(grid_, first_ + chunk, maps_[next], 1); }
    kernels().input(grid_, first_ + chunk, maps_[c], to_.At(chunk, 0, c),
        to_.step);
  }
  void ComputeAll() const {
    for (int i = 0; i < size(); ++i) { Compute(i); }
  }

 private:
  const Grid& grid_;
  const Map<const float>* maps_;
  const int channels_, first_, count_;
  const Spectra& to_;
};

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
      for (int i = 0; i < columns * kTaps; i += kCacheLine / sizeof(Number)) {
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
    const int threads = cores::threads(), chunks = grid_.chunks();
    const int each = parts_of(chunks, threads);
    // Not where some threads would have much less to do than others.
    const bool even = 16 * (each * threads - chunks) <= chunks;
    if (each < chunks_ || !even) { return ComputeFew(); }
    // A thread's tiles stay in its core's cache, from layer to layer.
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int t = 0; t < threads; ++t) {
      ComputeChunks(std::min(chunks, t * each),
          std::min(chunks, (t + 1) * each));
    }
  }

 private:
  void ComputeChunks(int begin, int end) const {
    static thread_local Scratch input_buffer;
    for (int first = begin; first < end; first += chunks_) {
      const int count = std::min(chunks_, end - first);
      const Spectra input(&input_buffer, count, channels_, lanes_);
      InputSpectra(grid_, from_.data(), channels_, first, count, input)
          .ComputeAll();
      for (int o = 0; o < all_outputs_; o += outputs_) {
        Outputs(o, input, first, 0, count);
      }
    }
  }

  // Of so few tiles that threads share the outputs.
  void ComputeFew() const {
    static thread_local Scratch input_buffer;
    const int blocks = parts_of(all_outputs_, outputs_);
    // As many tiles at a time as give every thread enough to do.
    const int wave = std::min(grid_.chunks(),
        parts_of(2 * cores::threads(), blocks) * chunks_);
    const Spectra input(&input_buffer, wave, channels_, lanes_);
#pragma omp parallel num_threads(cores::threads())
    for (int first = 0; first < grid_.chunks(); first += wave) {
      const int count = std::min(wave, grid_.chunks() - first);
      const InputSpectra spectra(grid_, from_.data(), channels_, first, count,
          input);
#pragma omp for
      for (int i = 0; i < spectra.size(); ++i) { spectra.Compute(i); }
      const int parts = parts_of(count, chunks_);
#pragma omp for schedule(dynamic)
      for (int i = 0; i < blocks * parts; ++i) {
        const int chunk = i % parts * chunks_;
        Outputs(i / parts * outputs_, input, first, chunk,
            std::min(chunks_, count - chunk));
      }
    }
  }

  // outputs_ maps, from `output` on, at chunks of those that begin at chunk
  // `first` of the grid.
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
        channels_together_(Together()),
        groups_(parts_of(channels_, channels_together_)) {}

  void Add() const {
    const int slices = Slices();
    slices > 1 ? AddInSlices(slices) : AddInRegions();
  }

 private:
  static const int kRows = 16;  // of a product, at least
  static const int kMostSlices = 8, kLeastOfSlice = 3;  // chunks
  static const long kMostSliced = 48000;                // weights

  // blocks of outputs_ outputs by groups of channels_together_ channels
  struct Region {
    int block, blocks, group, groups;
  };

  // Channels at a time: 64 or fewer, and no group much smaller than the others.
  int Together() const {
    const int most = blocks_ * parts_of(channels_, 2 * kChannels) >=
        cores::threads() ? 2 * kChannels : kChannels;
    return rounded_up(parts_of(channels_, parts_of(channels_, most)), kRows);
  }

  // The parts of the tiles, each with a sum of its own. Not by the number of
  // threads, which would change how the sums are rounded.
  int Slices() const {
    int slices = kMostSlices;
    while (slices > 1 && grid_.chunks() < slices * kLeastOfSlice) {
      slices /= 2;
    }
    return Size() > kMostSliced ? 1 : slices;
  }
  long Size() const { return long(all_outputs_) * channels_ * kTaps; }

  // For few weights: each thread has its own tiles.
  void AddInSlices(int slices) const {
    static thread_local Scratch buffer;
    const int chunks = grid_.chunks();
    const long size = Size();
    float* const sums = buffer.Get(slices * size);
#pragma omp parallel num_threads(cores::threads())
    {
#pragma omp for schedule(static)
      for (int i = 0; i < slices; ++i) {
        float* const sum = sums + i * size;
        std::fill(sum, sum + size, 0.f);
        AddRegion({0, blocks_, 0, groups_}, chunks * i / slices,
            chunks * (i + 1) / slices, sum);
      }
#pragma omp for schedule(static)
      for (long k = 0; k < size; ++k) {
        for (int i = 0; i < slices; ++i) { weights_[k] += sums[i * size + k]; }
      }
    }
  }

  // For many weights: each thread has its own outputs and channels. It
  // transforms all that it multiplies. Some is transformed twice, but no
  // spectrum goes from one core's cache to another's.
  void AddInRegions() const {
    // The numbers of regions, of outputs and of channels, that are done first;
    // of equals, those whose threads have the fewest maps.
    const int threads = cores::threads();
    int down = 1, across = 1;
    std::pair<int, int> least(blocks_ * groups_, blocks_ + groups_);
    for (int y = 1; y <= std::min(threads, blocks_); ++y) {
      const int x = std::min(threads / y, groups_);
      const int blocks = parts_of(blocks_, y), groups = parts_of(groups_, x);
      const std::pair<int, int> work(blocks * groups, blocks + groups);
      if (work < least) {
        least = work;
        down = y;
        across = x;
      }
    }
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int i = 0; i < down * across; ++i) {
      const int y = i / across, x = i % across;
      const int block = blocks_ * y / down, group = groups_ * x / across;
      AddRegion({block, blocks_ * (y + 1) / down - block, group,
          groups_ * (x + 1) / across - group}, 0, grid_.chunks(), weights_);
    }
  }

  // to += a region's gradient, of the chunks from `begin` to `end`.
  void AddRegion(const Region& region, int begin, int end, float* to) const {
    static thread_local Scratch input_buffer, diff_buffer;
    const int output = region.block * outputs_;
    const int wave = std::min(end - begin, kTiles / lanes_);
    const Spectra input(&input_buffer, wave, channels_together_, lanes_);
    const Spectra diff(&diff_buffer, wave, region.blocks * lanes_, outputs_);
    for (int first = begin; first < end; first += wave) {
      const int count = std::min(wave, end - first);
      DiffSpectra(first, count, output, region.blocks, diff);
      for (int g = 0; g < region.groups; ++g) {
        const int c = (region.group + g) * channels_together_;
        const int channels = std::min(channels_together_, channels_ - c);
        InputSpectra(grid_, bottom_.data() + c, channels, first, count, input)
            .ComputeAll();
        for (int b = 0; b < region.blocks; ++b) {
          Weights(output + b * outputs_, c, channels, diff.At(0, 0, b * lanes_),
              diff, input, count, to);
        }
      }
    }
  }

  // Of blocks from `output` on: [chunk][36][block][tile][output of the block].
  void DiffSpectra(int first, int count, int output, int blocks,
      const Spectra& to) const {
    for (int v = 0; v < blocks * kVectors; ++v) {
      const int o = v * lanes_;
      const int outputs =
          std::max(0, std::min(lanes_, all_outputs_ - output - o));
      for (int chunk = 0; chunk < count; ++chunk) {
        kernels().output_diff(grid_, first + chunk, top_.data() + output + o,
            outputs, to.At(chunk, 0, o / outputs_ * lanes_, o % outputs_),
            to.step, to.row);
      }
    }
  }

  // Those of outputs_ outputs, whose spectra of the first chunk begin at
  // `diffs`, by `channels`.
  void Weights(int output, int c, int channels, const float* diffs,
      const Spectra& diff, const Spectra& input, int chunks, float* to) const {
    static thread_local Scratch sums_buffer;
    const Spectra sums(&sums_buffer, 1, channels_together_, outputs_);
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
    const long first = (long(output) * channels_ + c) * kTaps;
    const WeightBlock<float> block = {to + first, long(channels_) * kTaps,
        std::min(outputs_, all_outputs_ - output), channels};
    for (int p = 0; p < kProducts; ++p) {
      block.Fetch(p);
      product.factors = diffs + p * diff.step;
      product.numbers = input.At(0, p, 0);
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
  const int channels_together_, groups_;
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
