#include <algorithm>
#include <cstring>
#include <vector>

#include "caffe/util/math_functions.hpp"
#include "caffe/util/winograd_conv.hpp"

namespace caffe {

namespace {

const int kTile = 4;      // outputs of a tile, on each axis
const int kKernel = 3;
const int kTaps = kKernel * kKernel;
const int kSpectrum = 6;  // inputs of a tile, and products, on each axis
const int kProducts = kSpectrum * kSpectrum;
const int kLeastChannels = 96;
const int kRow = 64;      // weights, or about as many tiles, done together

template <int rows, int columns>
struct Matrix {
  float at[rows][columns];

  Matrix<columns, rows> Transposed() const {
    Matrix<columns, rows> turned;
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < columns; ++j) { turned.at[j][i] = at[i][j]; }
    }
    return turned;
  }
};

// Products of polynomials are found from their values at five points and at
// infinity. These points, exact in binary, round a third as coarsely as the
// usual 0, 1, -1, 2, -2.
struct ToomCook {
  Matrix<kSpectrum, kSpectrum> input;   // B^T
  Matrix<kSpectrum, kKernel> weights;   // G
  Matrix<kTile, kSpectrum> output;      // A^T
  Matrix<kKernel, kSpectrum> weights_back;
  Matrix<kSpectrum, kTile> output_back;

  ToomCook() : input(), weights(), output() {
    const int last = kSpectrum - 1;
    const double points[last] = {0, 0.625, -0.625, 1.5, -1.5};
    for (int i = 0; i <= last; ++i) {
      // coefficients, lowest first, of the product of all (x - another point)
      double product[kSpectrum] = {1}, scale = 1;
      for (int j = 0; j < last; ++j) {
        if (j == i) { continue; }
        for (int k = last; k >= 0; --k) {
          product[k] = (k ? product[k - 1] : 0) - points[j] * product[k];
        }
        if (i < last) { scale *= points[i] - points[j]; }
      }
      for (int k = 0; k < kSpectrum; ++k) { input.at[i][k] = product[k]; }
      double power = 1;
      for (int k = 0; i < last && k < kTile; ++k, power *= points[i]) {
        output.at[k][i] = power;
        if (k < kKernel) { weights.at[i][k] = power / scale; }
      }
    }
    output.at[kTile - 1][last] = weights.at[last][kKernel - 1] = 1;
    weights_back = weights.Transposed();
    output_back = output.Transposed();
  }
};

const ToomCook& matrices() {
  static const ToomCook computed;
  return computed;
}

// to[i][j] = sum over a, b of m[i][a] m[j][b] from[a][b], each a row of n.
template <int rows, int columns>
#ifdef __x86_64__
__attribute__((target_clones("arch=haswell", "default")))
#endif
void transform(const Matrix<rows, columns>& m, const float* from,
    size_t from_step, int n, float* half, float* to, size_t to_step) {
  for (int i = 0; i < rows; ++i) {
    for (int b = 0; b < columns; ++b) {
      float* sum = half + (i * columns + b) * n;
      std::memset(sum, 0, n * sizeof(float));
      for (int a = 0; a < columns; ++a) {
        const float factor = m.at[i][a];
        if (factor == 0) { continue; }
        const float* row = from + (a * columns + b) * from_step;
        for (int t = 0; t < n; ++t) { sum[t] += factor * row[t]; }
      }
    }
  }
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < rows; ++j) {
      float* sum = to + (i * rows + j) * to_step;
      std::memset(sum, 0, n * sizeof(float));
      for (int b = 0; b < columns; ++b) {
        const float factor = m.at[j][b];
        if (factor == 0) { continue; }
        const float* row = half + (i * columns + b) * n;
        for (int t = 0; t < n; ++t) { sum[t] += factor * row[t]; }
      }
    }
  }
}

// 36 matrices in a buffer of the thread's, which the next with its role reuses.
class Spectrum {
 public:
  enum Role { IMAGE, WEIGHTS, PRODUCT };
  Spectrum(Role role, int rows, int columns) : rows(rows), columns(columns),
      // Steps of a power of two would put all 36 into the same cache lines.
      step(size_t(rows) * columns + 16) {
    static thread_local std::vector<float> buffers[PRODUCT + 1];
    if (buffers[role].size() < kProducts * step) {
      buffers[role].resize(kProducts * step);
    }
    data = buffers[role].data();
  }
  float* Row(int i) const { return data + size_t(i) * columns; }

  const int rows, columns;
  const size_t step;
  float* data;
};

struct Tiles {
  explicit Tiles(const ConvSize& size) : num(size.num), height(size.height),
      width(size.width), down((height + kTile - 1) / kTile),
      across((width + kTile - 1) / kTile),
      band(std::max(1, kRow / across)), count(num * down * across) {}

  // Calls visit(x, first row of tiles, tiles, where they are in a row of a
  // spectrum, which row) for every band of tile rows of every channel.
  // x: of type Number*, the channel in one of the pieces of a blob.
  template <typename Number, typename Visit>
  void ForEach(const std::vector<ConvPiece>& pieces, Number* blob,
      Visit visit) const {
    for (const ConvPiece& piece : pieces) {
#pragma omp parallel for
      for (int i = 0; i < num * piece.channels; ++i) {
        const int image = i / piece.channels, channel = i % piece.channels;
        Number* x = blob + piece.offset + image * piece.stride[0] +
            channel * piece.stride[1];
        for (int top = 0; top < down; top += band) {
          visit(piece, x, top, std::min(band, down - top) * across,
              (image * down + top) * across, piece.first_channel + channel);
        }
      }
    }
  }

  // Calls visit(number of the image, number of the patch) for all that lie in
  // the image, of the size x size patches of the tiles, beginning `pad` to the
  // left of and above them. patches: size * size rows of n tiles.
  template <int size, int pad, typename Number, typename Visit>
  void Pixels(const ConvPiece& piece, Number* x, int top, int n,
      float* patches, Visit visit) const {
    for (int r = 0; r < n / across; ++r) {
      for (int i = 0; i < size; ++i) {
        const int y = (top + r) * kTile + i - pad;
        if (y < 0 || y >= height) { continue; }
        Number* row = x + y * piece.stride[2];
        for (int j = 0; j < size; ++j) {
          float* patch = patches + (i * size + j) * n + r * across;
          const int first = j < pad ? 1 : 0;
          const int past = std::min(across,
              (width - j + pad + kTile - 1) / kTile);
          for (int t = first; t < past; ++t) {
            visit(row + (t * kTile + j - pad) * piece.stride[3], patch + t);
          }
        }
      }
    }
  }

  const int num, height, width, down, across, band, count;
};

// The spectrum of patches of an image: a row a channel, a column a tile.
template <int size, int pad>
void from_image(const Tiles& tiles, const std::vector<ConvPiece>& pieces,
    const float* image, const Matrix<kSpectrum, size>& m, Spectrum* spectrum) {
  tiles.ForEach(pieces, image, [&](const ConvPiece& piece, const float* x,
      int top, int n, int tile, int row) {
    std::vector<float> patches(size * size * n), half(kSpectrum * size * n);
    tiles.Pixels<size, pad>(piece, x, top, n, patches.data(),
        [](const float* pixel, float* number) { *number = *pixel; });
    transform(m, patches.data(), n, n, half.data(),
        spectrum->Row(row) + tile, spectrum->step);
  });
}

// And back, to the tiles that the patches are for. bias: may be null.
void to_image(const Tiles& tiles, const Spectrum& spectrum, const float* bias,
    const std::vector<ConvPiece>& pieces, float* image) {
  tiles.ForEach(pieces, image, [&](const ConvPiece& piece, float* x,
      int top, int n, int tile, int row) {
    std::vector<float> half(kTile * kSpectrum * n), out(kTile * kTile * n);
    transform(matrices().output, spectrum.Row(row) + tile, spectrum.step, n,
        half.data(), out.data(), n);
    const float more = bias ? bias[row] : 0;
    tiles.Pixels<kTile, 0>(piece, x, top, n, out.data(),
        [more](float* pixel, float* number) { *pixel = *number + more; });
  });
}

// Calls visit(first weight, n, row, column) for every n input channels of every
// output: row and column in the spectrum of the weights.
template <typename Visit>
void for_each_weight(const ConvSize& size, Visit visit) {
#pragma omp parallel for
  for (int k = 0; k < size.outputs; ++k) {
    for (int c = 0; c < size.channels; c += kRow) {
      visit((size_t(k) * size.channels + c) * kTaps,
          std::min(kRow, size.channels - c), k, c);
    }
  }
}

// The spectrum of the weights, or of the weights turned round.
void from_weights(const ConvSize& size, const float* weights, bool turned,
    Spectrum* spectrum) {
  for_each_weight(size, [&](size_t first, int n, int row, int column) {
    float taps[kTaps * kRow], half[kSpectrum * kKernel * kRow];
    for (int c = 0; c < n; ++c) {
      for (int tap = 0; tap < kTaps; ++tap) {
        taps[tap * n + c] =
            weights[first + c * kTaps + (turned ? kTaps - 1 - tap : tap)];
      }
    }
    transform(matrices().weights, taps, n, n, half,
        spectrum->Row(row) + column, spectrum->step);
  });
}

// weights += the weights of the spectrum
void add_to_weights(const ConvSize& size, const Spectrum& spectrum,
    float* weights) {
  for_each_weight(size, [&](size_t first, int n, int row, int column) {
    float taps[kTaps * kRow], half[kKernel * kSpectrum * kRow];
    transform(matrices().weights_back, spectrum.Row(row) + column,
        spectrum.step, n, half, taps, n);
    for (int c = 0; c < n; ++c) {
      for (int tap = 0; tap < kTaps; ++tap) {
        weights[first + c * kTaps + tap] += taps[tap * n + c];
      }
    }
  });
}

// Each of the 36 matrices of `to` = that of a, or its transpose, times that of
// b, or its transpose.
void multiply(CBLAS_TRANSPOSE turn_a, const Spectrum& a,
    CBLAS_TRANSPOSE turn_b, const Spectrum& b, Spectrum* to) {
  const int inner = turn_a == CblasTrans ? a.rows : a.columns;
#pragma omp parallel for
  for (int i = 0; i < kProducts; ++i) {
    caffe_cpu_gemm<float>(turn_a, turn_b, to->rows, to->columns, inner, 1,
        a.data + i * a.step, b.data + i * b.step, 0, to->data + i * to->step);
  }
}

}  // namespace

bool WinogradConv::Pays(const ConvSize& size) {
  return std::min(size.channels, size.outputs) >= kLeastChannels;
}

WinogradConv::WinogradConv(const ConvSize& size) : size_(size) {
  const long row = size.width, channel = row * size.height;
  bottom_.push_back({0, size.channels,
      {channel * size.channels, channel, row, 1}, 0});
}

void WinogradConv::Forward(const float* bottom, const float* weights,
    const float* bias, const std::vector<ConvPiece>& pieces, float* top) {
  const Tiles tiles(size_);
  Spectrum image(Spectrum::IMAGE, size_.channels, tiles.count);
  Spectrum kernels(Spectrum::WEIGHTS, size_.outputs, size_.channels);
  Spectrum product(Spectrum::PRODUCT, size_.outputs, tiles.count);
  from_image<kSpectrum, 1>(tiles, bottom_, bottom, matrices().input, &image);
  from_weights(size_, weights, false, &kernels);
  multiply(CblasNoTrans, kernels, CblasNoTrans, image, &product);
  to_image(tiles, product, bias, pieces, top);
}

void WinogradConv::BackwardData(const std::vector<ConvPiece>& pieces,
    const float* top_diff, const float* weights, float* bottom_diff) {
  const Tiles tiles(size_);
  Spectrum image(Spectrum::IMAGE, size_.outputs, tiles.count);
  Spectrum kernels(Spectrum::WEIGHTS, size_.outputs, size_.channels);
  Spectrum product(Spectrum::PRODUCT, size_.channels, tiles.count);
  from_image<kSpectrum, 1>(tiles, pieces, top_diff, matrices().input, &image);
  from_weights(size_, weights, true, &kernels);
  multiply(CblasTrans, kernels, CblasNoTrans, image, &product);
  to_image(tiles, product, NULL, bottom_, bottom_diff);
}

void WinogradConv::BackwardWeights(const float* bottom,
    const std::vector<ConvPiece>& pieces, const float* top_diff,
    float* weights_diff) {
  const Tiles tiles(size_);
  Spectrum image(Spectrum::IMAGE, size_.channels, tiles.count);
  Spectrum diff(Spectrum::PRODUCT, size_.outputs, tiles.count);
  Spectrum kernels(Spectrum::WEIGHTS, size_.outputs, size_.channels);
  from_image<kSpectrum, 1>(tiles, bottom_, bottom, matrices().input, &image);
  from_image<kTile, 0>(tiles, pieces, top_diff, matrices().output_back, &diff);
  multiply(CblasNoTrans, diff, CblasTrans, image, &kernels);
  add_to_weights(size_, kernels, weights_diff);
}

}  // namespace caffe
