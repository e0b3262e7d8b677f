#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "caffe/util/cores.hpp"
#include "caffe/util/rar.hpp"
#include "caffe/util/rar_maps.hpp"
#include "caffe/util/simd.hpp"

namespace caffe {
namespace rar {

namespace {

const int kParallelFrom = 100000;  // numbers; fewer are done before threads wake

CAFFE_CLONES float largest(int n, const float* x) {
  float found = x[0];
#pragma omp simd reduction(max : found)
  for (int i = 0; i < n; ++i) { found = x[i] > found ? x[i] : found; }
  return found;
}

// The first place of a number that is there; n: there is none.
CAFFE_CLONES int first_of(int n, const float* x, float wanted) {
  const int kPart = 256;
  for (int begin = 0; begin < n; begin += kPart) {
    const int end = std::min(begin + kPart, n);
    int found = 0;
#pragma omp simd reduction(| : found)
    for (int i = begin; i < end; ++i) { found |= x[i] == wanted; }
    for (int i = begin; found && i < end; ++i) {
      if (x[i] == wanted) { return i; }
    }
  }
  return n;
}

CAFFE_CLONES float sum_of_exp(int n, const float* x, float peak) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int i = 0; i < n; ++i) { sum += fast_exp(x[i] - peak); }
  return sum;
}

CAFFE_CLONES void scaled_exp(int n, const float* x, float shift, float scale,
    float* out) {
#pragma omp simd
  for (int i = 0; i < n; ++i) { out[i] = scale * fast_exp(x[i] - shift); }
}

// The log of the softmax's denominator; highest: the largest of x.
float log_partition(int n, const float* x, float highest) {
  return highest + std::log(sum_of_exp(n, x, highest));
}

class Decode : public NativePass<float> {
 public:
  explicit Decode(int radius) : radius_(radius) {}

  virtual bool Forward(const Blobs& bottom, const Blobs& top) {
    const Maps maps(*bottom[0]);
    const int first = top.size() == 2 ? 0 : 1;  // else conv8 in place
    const float* scores = bottom[0]->cpu_data();
    float* s_d = top[first]->mutable_cpu_data();
    float* peak = top[first + 1]->mutable_cpu_data();
    partition_.resize(maps.rows());
    float* partition = top.size() == 4 ? top[3]->mutable_cpu_data()
        : partition_.data();
    bool finite = true;
#pragma omp parallel for num_threads(cores::threads()) \
    reduction(&& : finite) if (bottom[0]->count() > kParallelFrom)
    for (int i = 0; i < maps.rows(); ++i) {
      DecodeMap(maps, scores + static_cast<size_t>(i) * maps.places(),
          s_d + 2 * i, peak + i, partition + i);
      finite = finite && std::isfinite(s_d[2 * i]) &&
          std::isfinite(s_d[2 * i + 1]) && std::isfinite(peak[i]);
    }
    return finite;
  }

  virtual void Backward(const Blobs& top, const std::vector<bool>& wanted,
      const Blobs& bottom) {
    if (wanted[0] && top.size() == 2) { clear_diff(bottom[0]); }
  }

 private:
  void DecodeMap(const Maps& maps, const float* map, float* s_d, float* peak,
      float* partition) const {
    const int n = maps.places();
    const float highest = largest(n, map);
    const int best = first_of(n, map, highest) % n;
    const float log_z = log_partition(n, map, highest);
    const Window window(maps, best % maps.width, best / maps.width, radius_);
    double mass = 0, x_moment = 0, y_moment = 0;
    for (int y = window.upper; y <= window.lower; ++y) {
      for (int x = window.left; x <= window.right; ++x) {
        const double p = fast_exp(map[y * maps.width + x] - log_z);
        mass += p;
        x_moment += p * x;
        y_moment += p * y;
      }
    }
    s_d[0] = x_moment / mass;
    s_d[1] = y_moment / mass;
    *peak = mass > 1 ? 1 : mass;  // NaN stays
    *partition = log_z;
  }

  int radius_;
  std::vector<float> partition_;
};

class SoftmaxRegressionLoss : public NativePass<float> {
 public:
  explicit SoftmaxRegressionLoss(float sigma)
      : sigma_(sigma), radius_(std::ceil(3 * sigma)) {}

  virtual bool Forward(const Blobs& bottom, const Blobs& top) {
    const Maps maps(*bottom[0]);
    const float* scores = bottom[0]->cpu_data();
    const float* shape = bottom[1]->cpu_data();
    partition_.resize(maps.rows());
    targets_.resize(maps.rows());
    double loss = 0;
#pragma omp parallel for reduction(+ : loss) \
    if (bottom[0]->count() > kParallelFrom)
    for (int i = 0; i < maps.rows(); ++i) {
      const float* map = scores + static_cast<size_t>(i) * maps.places();
      const int n = maps.places();
      partition_[i] = log_partition(n, map, largest(n, map));
      targets_[i].Set(maps, shape + 2 * i, sigma_, radius_);
      for (const Weight& weight : targets_[i].weights) {
        loss -= weight.q * (map[weight.place] - partition_[i]);
      }
    }
    top[0]->mutable_cpu_data()[0] = loss / maps.rows();
    return true;
  }

  virtual void Backward(const Blobs& top, const std::vector<bool>& wanted,
      const Blobs& bottom) {
    if (wanted[1]) { clear_diff(bottom[1]); }
    if (!wanted[0]) { return; }
    const Maps maps(*bottom[0]);
    const float scale = top[0]->cpu_diff()[0] / maps.rows();
    const float* scores = bottom[0]->cpu_data();
    float* gradient = bottom[0]->mutable_cpu_diff();
#pragma omp parallel for num_threads(cores::threads()) \
    if (bottom[0]->count() > kParallelFrom)
    for (int i = 0; i < maps.rows(); ++i) {
      const size_t begin = static_cast<size_t>(i) * maps.places();
      float* out = gradient + begin;
      const std::vector<Weight>& weights = targets_[i].weights;
      if (weights.empty()) {
        std::fill(out, out + maps.places(), 0.f);
        continue;
      }
      scaled_exp(maps.places(), scores + begin, partition_[i], scale, out);
      for (const Weight& weight : weights) {
        out[weight.place] -= scale * weight.q;
      }
    }
  }

 private:
  struct Weight {
    int place;
    float q;
  };

  // The blob at a true landmark, which sums to 1; none for one off the map.
  struct Target {
    std::vector<Weight> weights;

    void Set(const Maps& maps, const float* s, float sigma, int radius) {
      weights.clear();
      const bool on_map = s[0] > -0.5f && s[0] < maps.width - 0.5f &&
          s[1] > -0.5f && s[1] < maps.height - 0.5f;
      if (!on_map) { return; }
      const Window window(maps, nearest(s[0]), nearest(s[1]), radius);
      float total = 0;
      for (int y = window.upper; y <= window.lower; ++y) {
        for (int x = window.left; x <= window.right; ++x) {
          const float right = x - s[0], down = y - s[1];
          const float q = fast_exp(-(right * right + down * down) /
              (2 * sigma * sigma));
          weights.push_back({y * maps.width + x, q});
          total += q;
        }
      }
      total = std::max(total, std::numeric_limits<float>::min());
      for (Weight& weight : weights) { weight.q /= total; }
    }
  };

  float sigma_;
  int radius_;
  std::vector<float> partition_;
  std::vector<Target> targets_;
};

}  // namespace

Pass decode(int radius) { return Pass(new Decode(radius)); }
Pass softmax_regression_loss(float sigma) {
  return Pass(new SoftmaxRegressionLoss(sigma));
}

}  // namespace rar
}  // namespace caffe
