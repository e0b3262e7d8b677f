#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <cstring>

#include "caffe/util/bf16.hpp"
#include "caffe/util/cores.hpp"

// The build is for any CPU of its kind; these loops are compiled for newer
// ones too, and the one at hand picks.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EACH_CPU \
    __attribute__((target_clones("avx2", "default")))
#else
#define FOR_EACH_CPU
#endif

namespace caffe {

namespace {

const int kPixels = 64, kChannels = 32;  // of a tile; it stays in the L1 cache

inline bf16 rounded(uint32_t bits) {
  const uint32_t even = bits >> 16 & 1;
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return (nan ? bits | 0x400000u : bits + 0x7fffu + even) >> 16;
}

FOR_EACH_CPU
void round_row(int count, const float* from, bf16* to) {
  uint32_t bits[kPixels];
  std::memcpy(bits, from, count * sizeof(float));
  for (int i = 0; i < count; ++i) { to[i] = rounded(bits[i]); }
}

FOR_EACH_CPU
void widen_row(int count, const bf16* from, float* to) {
  uint32_t bits[kPixels];
  for (int i = 0; i < count; ++i) {
    bits[i] = static_cast<uint32_t>(from[i]) << 16;
  }
  std::memcpy(to, bits, count * sizeof(float));
}

// 8 rows of 8 numbers to 8 columns.
inline void transpose_eight(const bf16* from, size_t from_row, bf16* to,
    size_t to_row) {
#ifdef __SSE2__
  __m128i a[8], b[8];
  for (int i = 0; i < 8; ++i) {
    a[i] = _mm_loadu_si128(
        reinterpret_cast<const __m128i*>(from + i * from_row));
  }
  // each pass brings together what lies 4, 2, then 1 rows apart
  for (int pass = 0; pass < 3; ++pass) {
    for (int i = 0; i < 4; ++i) {
      b[2 * i] = _mm_unpacklo_epi16(a[i], a[i + 4]);
      b[2 * i + 1] = _mm_unpackhi_epi16(a[i], a[i + 4]);
    }
    std::copy(b, b + 8, a);
  }
  for (int i = 0; i < 8; ++i) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i * to_row), a[i]);
  }
#else
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 8; ++j) { to[j * to_row + i] = from[i * from_row + j]; }
  }
#endif
}

void transpose(int rows, int columns, const bf16* from, size_t from_row,
    bf16* to, size_t to_row) {
  const int whole_rows = rows / 8 * 8, whole_columns = columns / 8 * 8;
  for (int j = 0; j < whole_columns; j += 8) {
    for (int i = 0; i < whole_rows; i += 8) {
      transpose_eight(from + i * from_row + j, from_row, to + j * to_row + i,
          to_row);
    }
  }
  for (int i = 0; i < rows; ++i) {
    for (int j = i < whole_rows ? whole_columns : 0; j < columns; ++j) {
      to[j * to_row + i] = from[i * from_row + j];
    }
  }
}

// A tile of one image: `channels` rows of `pixels` numbers, `stride` apart, to
// `pixels` rows of `channels`, `row` apart.
void tile_to_bf16(int channels, int pixels, size_t stride, const float* from,
    size_t row, bf16* to) {
  bf16 tile[kChannels * kPixels];
  for (int c = 0; c < channels; ++c) {
    round_row(pixels, from + c * stride, tile + c * kPixels);
  }
  transpose(channels, pixels, tile, kPixels, to, row);
}

void tile_from_bf16(int channels, int pixels, size_t row, const bf16* from,
    size_t stride, float* to) {
  bf16 tile[kChannels * kPixels];
  transpose(pixels, channels, from, row, tile, kPixels);
  for (int c = 0; c < channels; ++c) {
    widen_row(pixels, tile + c * kPixels, to + c * stride);
  }
}

// Calls visit(channels, pixels, start in Caffe's order, start in ours) for all
// tiles of all images.
template <typename Visit>
void for_each_tile(const MapSizes& sizes, Visit visit) {
  const int across = (sizes.pixels + kPixels - 1) / kPixels;
#pragma omp parallel for num_threads(cores::threads())
  for (int i = 0; i < sizes.num * across; ++i) {
    const size_t image = static_cast<size_t>(i / across) * sizes.pixels;
    const int pixel = i % across * kPixels;
    const int pixels = std::min(kPixels, sizes.pixels - pixel);
    for (int c = 0; c < sizes.channels; c += kChannels) {
      visit(std::min(kChannels, sizes.channels - c), pixels,
          image * sizes.channels + static_cast<size_t>(c) * sizes.pixels +
          pixel, (image + pixel) * sizes.channels + c);
    }
  }
}

// Numbers without a sign compare as integers do.
FOR_EACH_CPU
void relu_backward(int count, const bf16* y, const bf16* top_diff,
    bf16* bottom_diff) {
#pragma omp simd  // the two diffs may be one
  for (int i = 0; i < count; ++i) {
    const int16_t mask = -(static_cast<int16_t>(y[i]) > 0);
    bottom_diff[i] = top_diff[i] & mask;
  }
}

FOR_EACH_CPU
void pool_pixel(int channels, const bf16* upper, const bf16* lower,
    bf16* __restrict top, uint8_t* __restrict winners) {
#pragma omp simd
  for (int i = 0; i < channels; ++i) {
    const int16_t a = upper[i], b = upper[i + channels];
    const int16_t c = lower[i], d = lower[i + channels];
    const int16_t above = b > a ? b : a, below = d > c ? d : c;
    const uint8_t place_above = b > a ? 1 : 0, place_below = d > c ? 3 : 2;
    top[i] = below > above ? below : above;
    winners[i] = below > above ? place_below : place_above;
  }
}

FOR_EACH_CPU
void unpool_pixel(int channels, const bf16* diff, const uint8_t* winners,
    bf16* __restrict upper, bf16* __restrict lower) {
  for (int place = 0; place < 4; ++place) {
    bf16* to = (place < 2 ? upper : lower) + place % 2 * channels;
#pragma omp simd
    for (int i = 0; i < channels; ++i) {
      const int16_t mask = -(winners[i] == place);
      to[i] = diff[i] & mask;
    }
  }
}

// Calls visit(output, upper row of its bottom, lower row) for all outputs:
// places of their first channels.
template <typename Visit>
void for_each_pooled(const MapSizes& bottom, int width, Visit visit) {
  const int columns = width / 2, rows = bottom.num * (bottom.pixels / width) / 2;
  const size_t channels = bottom.channels;
#pragma omp parallel for num_threads(cores::threads())
  for (int row = 0; row < rows; ++row) {
    for (int i = 0; i < columns; ++i) {
      const size_t upper = static_cast<size_t>(row) * 2 * width + 2 * i;
      visit((static_cast<size_t>(row) * columns + i) * channels,
          upper * channels, (upper + width) * channels);
    }
  }
}

// Calls visit(place in the image, place among the phases) for the two numbers
// of each pixel that lie side by side in the image.
template <typename Visit>
void for_each_pair(int num, int height, int width, int channels, Visit visit) {
#pragma omp parallel for num_threads(cores::threads())
  for (int row = 0; row < num * 2 * height; ++row) {
    for (int i = 0; i < width; ++i) {
      const size_t pixel = static_cast<size_t>(row / 2) * width + i;
      visit((static_cast<size_t>(row) * width + i) * 2 * channels,
          (pixel * 2 + row % 2) * 2 * channels);
    }
  }
}

}  // namespace

void to_bf16(const MapSizes& sizes, const float* from, bf16* to) {
  for_each_tile(sizes,
      [&](int channels, int pixels, size_t planar, size_t last) {
    tile_to_bf16(channels, pixels, sizes.pixels, from + planar,
        sizes.channels, to + last);
  });
}

void from_bf16(const MapSizes& sizes, const bf16* from, float* to) {
  for_each_tile(sizes,
      [&](int channels, int pixels, size_t planar, size_t last) {
    tile_from_bf16(channels, pixels, sizes.channels, from + last,
        sizes.pixels, to + planar);
  });
}

void relu_backward_bf16(size_t count, const bf16* y, const bf16* top_diff,
    bf16* bottom_diff) {
  const size_t kPart = 1 << 15;
  const int parts = (count + kPart - 1) / kPart;
#pragma omp parallel for num_threads(cores::threads())
  for (int i = 0; i < parts; ++i) {
    const size_t start = i * kPart;
    relu_backward(std::min(kPart, count - start), y + start, top_diff + start,
        bottom_diff + start);
  }
}

void max_pool_by_two_bf16(const MapSizes& sizes, int width, const bf16* bottom,
    bf16* top, uint8_t* winners) {
  for_each_pooled(sizes, width, [&](size_t out, size_t upper, size_t lower) {
    pool_pixel(sizes.channels, bottom + upper, bottom + lower, top + out,
        winners + out);
  });
}

void max_pool_by_two_backward_bf16(const MapSizes& sizes, int width,
    const bf16* top_diff, const uint8_t* winners, bf16* bottom_diff) {
  for_each_pooled(sizes, width, [&](size_t out, size_t upper, size_t lower) {
    unpool_pixel(sizes.channels, top_diff + out, winners + out,
        bottom_diff + upper, bottom_diff + lower);
  });
}

void interleave_bf16(int num, int height, int width, int channels,
    const bf16* phases, bf16* image) {
  for_each_pair(num, height, width, channels, [&](size_t to, size_t from) {
    std::memcpy(image + to, phases + from, 2 * channels * sizeof(bf16));
  });
}

void deinterleave_bf16(int num, int height, int width, int channels,
    const bf16* image, bf16* phases) {
  for_each_pair(num, height, width, channels, [&](size_t from, size_t to) {
    std::memcpy(phases + to, image + from, 2 * channels * sizeof(bf16));
  });
}

}  // namespace caffe
