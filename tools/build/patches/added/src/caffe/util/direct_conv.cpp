#include <algorithm>
#include <vector>

#include "caffe/util/cores.hpp"
#include "caffe/util/cpu.hpp"
#include "caffe/util/direct_conv.hpp"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

#include <immintrin.h>

#define CAFFE_AVX512 __attribute__((target("avx512f")))
#define CAFFE_AVX512_INLINE \
  inline __attribute__((target("avx512f"), always_inline))
#define CAFFE_UNROLL _Pragma("GCC unroll 12")

namespace caffe {
namespace direct {

namespace {

const int kKernel = 3, kTaps = kKernel * kKernel;
const int kLanes = 16;
const int kMostVectors = 2;  // of neighbours, side by side
// Fewer products are done before threads wake.
const long kParallelFrom = 50000;

// The lanes of a vector, whose first is x, that lie in a row of `width`.
CAFFE_AVX512_INLINE __mmask16 inside(int x, int width) {
  const int first = std::max(-x, 0), end = std::min(width - x, kLanes);
  return end <= first ? 0 : (0xFFFFu >> (kLanes - end)) & (0xFFFFu << first);
}

// Weights in the order in which a kernel takes them: for each block of outputs
// [channel][tap][output]. A block of `size` outputs begins at its first output
// times channels times taps.
struct Packed {
  std::vector<float> weights;
  std::vector<int> blocks;  // their first outputs, and the number of outputs
};

std::vector<int> blocks_of(int outputs, int most) {
  std::vector<int> firsts;
  int first = 0;
  while (first < outputs) {
    firsts.push_back(first);
    const int left = outputs - first;
    int size = most;
    while (size > left) { size = size == 12 ? 8 : size / 2; }
    first += size;
  }
  firsts.push_back(outputs);
  return firsts;
}

// `weight(output, channel, tap)` is what is packed.
template <typename Weight>
Packed pack(int outputs, int channels, int taps, int most, Weight weight) {
  Packed packed = {std::vector<float>(outputs * channels * taps),
      blocks_of(outputs, most)};
  for (size_t block = 0; block + 1 < packed.blocks.size(); ++block) {
    const int first = packed.blocks[block], end = packed.blocks[block + 1];
    float* to = &packed.weights[first * channels * taps];
    for (int c = 0; c < channels; ++c) {
      for (int tap = 0; tap < taps; ++tap) {
        for (int o = first; o < end; ++o) { *to++ = weight(o, c, tap); }
      }
    }
  }
  return packed;
}

// Part of a row of the top: `Outputs` maps at 16 `Vectors` neighbours from
// (x, y) on.
template <int Outputs, int Vectors>
CAFFE_AVX512_INLINE void convolve_part(const MapsToMaps& maps, int y, int x,
    const float* bottom, const float* weights, const float* bias, float* top) {
  const int pad = kKernel / 2, width = maps.width;
  const long places = static_cast<long>(maps.height) * width;
  __mmask16 masks[kKernel][Vectors];
  for (int right = 0; right < kKernel; ++right) {
    for (int v = 0; v < Vectors; ++v) {
      masks[right][v] = inside(x + right - pad + v * kLanes, width);
    }
  }
  float* out = top + static_cast<long>(y) * width + x;
  __m512 sums[Outputs][Vectors];
  CAFFE_UNROLL
  for (int o = 0; o < Outputs; ++o) {
    CAFFE_UNROLL
    for (int v = 0; v < Vectors; ++v) {
      sums[o][v] = _mm512_set1_ps(bias ? bias[o] : 0.f);
      __builtin_prefetch(out + o * places + v * kLanes, 1);
    }
  }
  const int first = std::max(pad - y, 0);
  const int end = std::min(maps.height + pad - y, kKernel);
  for (int c = 0; c < maps.channels; ++c) {
    for (int down = first; down < end; ++down) {
      const float* row = bottom + c * places +
          static_cast<long>(y + down - pad) * width + x - pad;
      const float* tap = weights + (c * kKernel + down) * kKernel * Outputs;
      CAFFE_UNROLL
      for (int right = 0; right < kKernel; ++right) {
        __m512 numbers[Vectors];
        CAFFE_UNROLL
        for (int v = 0; v < Vectors; ++v) {
          numbers[v] = _mm512_maskz_loadu_ps(masks[right][v],
              row + right + v * kLanes);
        }
        CAFFE_UNROLL
        for (int o = 0; o < Outputs; ++o) {
          const __m512 weight = _mm512_set1_ps(tap[right * Outputs + o]);
          CAFFE_UNROLL
          for (int v = 0; v < Vectors; ++v) {
            sums[o][v] = _mm512_fmadd_ps(weight, numbers[v], sums[o][v]);
          }
        }
      }
    }
  }
  CAFFE_UNROLL
  for (int o = 0; o < Outputs; ++o) {
    CAFFE_UNROLL
    for (int v = 0; v < Vectors; ++v) {
      _mm512_mask_storeu_ps(out + o * places + v * kLanes,
          inside(x + v * kLanes, width), sums[o][v]);
    }
  }
}

template <int Vectors>
CAFFE_AVX512_INLINE void convolve_block(const MapsToMaps& maps, int y, int x,
    int outputs, const float* bottom, const float* weights, const float* bias,
    float* top) {
  switch (outputs) {
  case 12: return convolve_part<12, Vectors>(maps, y, x, bottom, weights,
      bias, top);
  case 8: return convolve_part<8, Vectors>(maps, y, x, bottom, weights,
      bias, top);
  case 4: return convolve_part<4, Vectors>(maps, y, x, bottom, weights,
      bias, top);
  case 2: return convolve_part<2, Vectors>(maps, y, x, bottom, weights,
      bias, top);
  default: return convolve_part<1, Vectors>(maps, y, x, bottom, weights,
      bias, top);
  }
}

// Row y of an image's top.
CAFFE_AVX512 void convolve_row(const MapsToMaps& maps, int y,
    const float* bottom, const Packed& packed, const float* bias, float* top) {
  const long places = static_cast<long>(maps.height) * maps.width;
  const int blocks = packed.blocks.size() - 1;
  for (int block = 0; block < blocks; ++block) {
    const int first = packed.blocks[block];
    const int size = packed.blocks[block + 1] - first;
    const float* weights = &packed.weights[first * maps.channels * kTaps];
    const float* shift = bias ? bias + first : nullptr;
    float* maps_top = top + first * places;
    for (int x = 0; x < maps.width; x += kMostVectors * kLanes) {
      if (maps.width - x > kLanes) {
        convolve_block<2>(maps, y, x, size, bottom, weights, shift, maps_top);
      } else {
        convolve_block<1>(maps, y, x, size, bottom, weights, shift, maps_top);
      }
    }
  }
}

long products(const MapsToMaps& maps, int taps) {
  return static_cast<long>(maps.num) * maps.channels * maps.outputs *
      maps.height * maps.width * taps;
}

void convolve_packed(const MapsToMaps& maps, const float* bottom,
    const Packed& packed, const float* bias, float* top) {
  const long places = static_cast<long>(maps.height) * maps.width;
#pragma omp parallel for num_threads(cores::threads()) \
    if (products(maps, kTaps) > kParallelFrom)
  for (int i = 0; i < maps.num * maps.height; ++i) {
    const int n = i / maps.height;
    convolve_row(maps, i % maps.height, bottom + n * maps.channels * places,
        packed, bias, top + n * maps.outputs * places);
  }
}

// The deconvolution's taps: row (or column) 2 i + odd of the top takes
// i + kStep[odd][tap] of the bottom, with row kTap[odd][tap] of the kernel.
const int kStep[2][2] = {{-1, 0}, {0, 1}};
const int kTap[2][2] = {{3, 1}, {2, 0}};
const int kMostDeconvolved = 6;  // outputs, of even and odd columns each

// Part of row 2 y + odd of the top, columns 2 x and on.
template <int Outputs, int Vectors>
CAFFE_AVX512_INLINE void deconvolve_part(const MapsToMaps& maps, int y,
    int odd, int x, const float* bottom, const float* weights,
    const float* bias, float* top) {
  const int width = maps.width;
  const long places = static_cast<long>(maps.height) * width;
  __mmask16 masks[3][Vectors];  // of columns x - 1, x, x + 1
  for (int v = 0; v < Vectors; ++v) {
    for (int right = 0; right < 3; ++right) {
      masks[right][v] = inside(x + right - 1 + v * kLanes, width);
    }
  }
  float* out = top + static_cast<long>(2 * y + odd) * 2 * width + 2 * x;
  __m512 even_sums[Outputs][Vectors], odd_sums[Outputs][Vectors];
  CAFFE_UNROLL
  for (int o = 0; o < Outputs; ++o) {
    CAFFE_UNROLL
    for (int v = 0; v < Vectors; ++v) {
      even_sums[o][v] = odd_sums[o][v] = _mm512_set1_ps(bias ? bias[o] : 0.f);
      __builtin_prefetch(out + o * 4 * places + 2 * v * kLanes, 1);
      __builtin_prefetch(out + o * 4 * places + (2 * v + 1) * kLanes, 1);
    }
  }
  for (int c = 0; c < maps.channels; ++c) {
    for (int tap = 0; tap < 2; ++tap) {
      const int from = y + kStep[odd][tap];
      if (from < 0 || from >= maps.height) { continue; }
      const float* row =
          bottom + c * places + static_cast<long>(from) * width + x;
      const float* weight = weights + (c * 2 + tap) * 4 * Outputs;
      __m512 left[Vectors], here[Vectors], right[Vectors];
      CAFFE_UNROLL
      for (int v = 0; v < Vectors; ++v) {
        left[v] = _mm512_maskz_loadu_ps(masks[0][v], row + v * kLanes - 1);
        here[v] = _mm512_maskz_loadu_ps(masks[1][v], row + v * kLanes);
        right[v] = _mm512_maskz_loadu_ps(masks[2][v], row + v * kLanes + 1);
      }
      CAFFE_UNROLL
      for (int o = 0; o < Outputs; ++o) {
        const __m512 even_left = _mm512_set1_ps(weight[o]);
        const __m512 even_here = _mm512_set1_ps(weight[Outputs + o]);
        const __m512 odd_here = _mm512_set1_ps(weight[2 * Outputs + o]);
        const __m512 odd_right = _mm512_set1_ps(weight[3 * Outputs + o]);
        CAFFE_UNROLL
        for (int v = 0; v < Vectors; ++v) {
          even_sums[o][v] = _mm512_fmadd_ps(even_left, left[v],
              even_sums[o][v]);
          odd_sums[o][v] = _mm512_fmadd_ps(odd_here, here[v], odd_sums[o][v]);
          even_sums[o][v] = _mm512_fmadd_ps(even_here, here[v],
              even_sums[o][v]);
          odd_sums[o][v] = _mm512_fmadd_ps(odd_right, right[v],
              odd_sums[o][v]);
        }
      }
    }
  }
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5,
      21, 6, 22, 7, 23);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  CAFFE_UNROLL
  for (int o = 0; o < Outputs; ++o) {
    CAFFE_UNROLL
    for (int v = 0; v < Vectors; ++v) {
      float* pair = out + o * 4 * places + 2 * v * kLanes;
      const int column = 2 * (x + v * kLanes);
      _mm512_mask_storeu_ps(pair, inside(column, 2 * width),
          _mm512_permutex2var_ps(even_sums[o][v], low, odd_sums[o][v]));
      _mm512_mask_storeu_ps(pair + kLanes, inside(column + kLanes, 2 * width),
          _mm512_permutex2var_ps(even_sums[o][v], high, odd_sums[o][v]));
    }
  }
}

template <int Vectors>
CAFFE_AVX512_INLINE void deconvolve_block(const MapsToMaps& maps, int y,
    int odd, int x, int outputs, const float* bottom, const float* weights,
    const float* bias, float* top) {
  switch (outputs) {
  case 6: return deconvolve_part<6, Vectors>(maps, y, odd, x, bottom, weights,
      bias, top);
  case 3: return deconvolve_part<3, Vectors>(maps, y, odd, x, bottom, weights,
      bias, top);
  default: return deconvolve_part<1, Vectors>(maps, y, odd, x, bottom, weights,
      bias, top);
  }
}

// Row 2 y + odd of an image's top.
CAFFE_AVX512 void deconvolve_row(const MapsToMaps& maps, int y, int odd,
    const float* bottom, const Packed& packed, const float* bias, float* top) {
  const long places = static_cast<long>(maps.height) * maps.width;
  const int blocks = packed.blocks.size() - 1;
  for (int block = 0; block < blocks; ++block) {
    const int first = packed.blocks[block];
    const int size = packed.blocks[block + 1] - first;
    const float* weights = &packed.weights[first * maps.channels * 8];
    const float* shift = bias ? bias + first : nullptr;
    float* maps_top = top + first * 4 * places;
    for (int x = 0; x < maps.width; x += kMostVectors * kLanes) {
      if (maps.width - x > kLanes) {
        deconvolve_block<2>(maps, y, odd, x, size, bottom, weights, shift,
            maps_top);
      } else {
        deconvolve_block<1>(maps, y, odd, x, size, bottom, weights, shift,
            maps_top);
      }
    }
  }
}

}  // namespace

bool available() { return cpu_has_avx512(); }

void convolve(const MapsToMaps& maps, const float* bottom,
    const float* weights, const float* bias, float* top) {
  const int channels = maps.channels;
  convolve_packed(maps, bottom,
      pack(maps.outputs, channels, kTaps, 12, [&](int o, int c, int tap) {
        return weights[(o * channels + c) * kTaps + tap];
      }), bias, top);
}

void convolve_back(const MapsToMaps& maps, const float* top_diff,
    const float* weights, float* bottom_diff) {
  const int channels = maps.channels;
  MapsToMaps back = maps;
  std::swap(back.channels, back.outputs);
  convolve_packed(back, top_diff,
      pack(channels, maps.outputs, kTaps, 12, [&](int to, int from, int tap) {
        return weights[(from * channels + to) * kTaps + kTaps - 1 - tap];
      }), nullptr, bottom_diff);
}

void deconvolve(const MapsToMaps& maps, const float* bottom,
    const float* weights, const float* bias, float* top) {
  const int channels = maps.channels, outputs = maps.outputs;
  Packed packed[2];
  for (int odd = 0; odd < 2; ++odd) {
    packed[odd] = pack(outputs, channels, 8, kMostDeconvolved,
        [&](int o, int c, int tap) {
          const int row = kTap[odd][tap / 4];
          const int column = kTap[tap / 2 % 2][tap % 2];
          return weights[((c * outputs + o) * 4 + row) * 4 + column];
        });
  }
  const long places = static_cast<long>(maps.height) * maps.width;
#pragma omp parallel for num_threads(cores::threads()) \
    if (products(maps, 16) > kParallelFrom)
  for (int i = 0; i < maps.num * maps.height * 2; ++i) {
    const int n = i / (2 * maps.height), y = i / 2 % maps.height, odd = i % 2;
    deconvolve_row(maps, y, odd, bottom + n * channels * places, packed[odd],
        bias, top + n * outputs * 4 * places);
  }
}

}  // namespace direct
}  // namespace caffe

#else

namespace caffe {
namespace direct {

bool available() { return false; }
void convolve(const MapsToMaps&, const float*, const float*, const float*,
    float*) {}
void convolve_back(const MapsToMaps&, const float*, const float*, float*) {}
void deconvolve(const MapsToMaps&, const float*, const float*, const float*,
    float*) {}

}  // namespace direct
}  // namespace caffe

#endif
