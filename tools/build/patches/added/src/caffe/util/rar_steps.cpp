#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "caffe/util/cores.hpp"
#include "caffe/util/rar.hpp"
#include "caffe/util/rar_maps.hpp"
#include "caffe/util/simd.hpp"

namespace caffe {

template <typename Dtype>
void NativePass<Dtype>::Backward(const std::vector<Blob<Dtype>*>&,
    const std::vector<bool>& wanted,
    const std::vector<Blob<Dtype>*>& bottom) {
  for (size_t i = 0; i < bottom.size(); ++i) {
    if (wanted[i]) {
      caffe_set(bottom[i]->count(), Dtype(0), bottom[i]->mutable_cpu_diff());
    }
  }
}

INSTANTIATE_CLASS(NativePass);

namespace rar {

namespace {

const float kSmallestDistance = 1;  // px, as in gamma.py

int between(int number, int end) {
  return std::min(std::max(number, 0), end - 1);
}

// Shape-indexed features -----------------------------------------------------

// The maxima of one map in windows that begin at `places`, one row of `across`
// numbers after the other, and where they are.
CAFFE_CLONES void maxima_of_map(const float* map, const int* places,
    int landmarks, int window, int channels, float* phi, int* winners) {
  for (int l = 0; l < landmarks; ++l) {
    const int* place = places + l * window;
    float best = map[place[0]];
    int winner = place[0];
    for (int i = 1; i < window; ++i) {
      const float value = map[place[i]];
      winner = value > best ? place[i] : winner;
      best = value > best ? value : best;
    }
    phi[l * channels] = best;
    winners[l * channels] = winner;
  }
}

class WindowMaxima : public NativePass<float> {
 public:
  explicit WindowMaxima(int window) : window_(window) {}

  virtual bool Forward(const Blobs& bottom, const Blobs& top) {
    const Maps maps(*bottom[0]);
    const int landmarks = bottom[1]->shape(1), square = window_ * window_;
    const float* features = bottom[0]->cpu_data();
    const float* shape = bottom[1]->cpu_data();
    float* phi = top.back()->mutable_cpu_data();
    winners_.resize(top.back()->count());
    places_.resize(maps.num * landmarks * square);
    Places(maps, maps.num * landmarks, shape);
    // By landmarks: threads that shared them would share cache lines of phi.
    const int parts = (landmarks + kPart - 1) / kPart;
    const bool parallel = top.back()->count() > kParallelFrom;
#pragma omp parallel for num_threads(cores::threads()) if (parallel)
    for (int i = 0; i < maps.num * parts; ++i) {
      const int n = i / parts, first = i % parts * kPart;
      const int point = n * landmarks + first;
      const float* map = features +
          static_cast<size_t>(n) * maps.channels * maps.places();
      for (int c = 0; c < maps.channels; ++c, map += maps.places()) {
        const size_t out = static_cast<size_t>(point) * maps.channels + c;
        maxima_of_map(map, &places_[point * square],
            std::min(kPart, landmarks - first), square, maps.channels,
            phi + out, &winners_[out]);
      }
    }
    return true;
  }

  virtual void Backward(const Blobs& top, const std::vector<bool>& wanted,
      const Blobs& bottom) {
    if (wanted[0]) {
      if (top.size() == 1) { clear_diff(bottom[0]); }
      Scatter(*top.back(), bottom[0]);
    }
    if (wanted[1]) { clear_diff(bottom[1]); }
  }

 private:
  static const int kParallelFrom = 1000;  // windows
  static const int kPart = 17;            // landmarks

  // The places of the windows round the points of a shape.
  void Places(const Maps& maps, int points, const float* shape) {
    int* place = places_.data();
    for (int i = 0; i < points; ++i) {
      const int left = nearest(shape[2 * i]) - (window_ - 1) / 2;
      const int upper = nearest(shape[2 * i + 1]) - (window_ - 1) / 2;
      for (int down = 0; down < window_; ++down) {
        const int row = between(upper + down, maps.height) * maps.width;
        for (int right = 0; right < window_; ++right) {
          *place++ = row + between(left + right, maps.width);
        }
      }
    }
  }

  void Scatter(const Blob<float>& top, Blob<float>* bottom) const {
    const Maps maps(*bottom);
    const int landmarks = top.shape(1), rows = maps.rows();
    const float* gradient = top.cpu_diff();
    float* out = bottom->mutable_cpu_diff();
#pragma omp parallel for num_threads(cores::threads()) \
    if (rows * landmarks > kParallelFrom)
    for (int row = 0; row < rows; ++row) {
      const int n = row / maps.channels, c = row % maps.channels;
      size_t i = static_cast<size_t>(n) * landmarks * maps.channels + c;
      float* map = out + static_cast<size_t>(row) * maps.places();
      for (int l = 0; l < landmarks; ++l, i += maps.channels) {
        map[winners_[i]] += gradient[i];
      }
    }
  }

  int window_;
  std::vector<int> places_;   // (N, L, window^2)
  std::vector<int> winners_;  // (N, L, C)
};

// The mean shift ---------------------------------------------------------------

// sum p and, in `shift`, sum p (x, y), with p = e^(score - log_z) and (x, y)
// from the shape; rows of `across` numbers, of which the first lies at (x, y).
CAFFE_CLONES float moments(int rows, int across, const float* scores,
    float log_z, float x, float y, float* shift) {
  float mass = 0, along_x = 0, along_y = 0;
  for (int row = 0; row < rows; ++row, scores += across) {
    float sum = 0;
#pragma omp simd reduction(+ : sum, along_x)
    for (int i = 0; i < across; ++i) {
      const float p = fast_exp(scores[i] - log_z);
      sum += p;
      along_x += p * (x + i);
    }
    mass += sum;
    along_y += sum * (y + row);
  }
  shift[0] = along_x;
  shift[1] = along_y;
  return mass;
}

class MeanShift : public NativePass<float> {
 public:
  explicit MeanShift(int radius)
      : radius_(radius), across_((2 * radius + 1 + 15) / 16 * 16) {}

  virtual bool Forward(const Blobs& bottom, const Blobs& top) {
    const Maps maps(*bottom[0]);
    const float* scores = bottom[0]->cpu_data();
    const float* partition = bottom[1]->cpu_data();
    const float* shape = bottom[2]->cpu_data();
    float* shift = top.back()->mutable_cpu_data();
    mass_.resize(maps.rows());
    for (size_t i = 0; i < mass_.size(); ++i) {
      mass_[i] = OfMap(maps, scores + i * maps.places(), partition[i],
          shape + 2 * i, shift + 2 * i);
    }
    return true;
  }

  virtual void Backward(const Blobs& top, const std::vector<bool>& wanted,
      const Blobs& bottom) {
    if (wanted[0] && top.size() == 1) { clear_diff(bottom[0]); }
    if (wanted[1]) { clear_diff(bottom[1]); }
    if (!wanted[2]) { return; }
    const float* gradient = top.back()->cpu_diff();
    float* to_shape = bottom[2]->mutable_cpu_diff();
    for (int i = 0; i < bottom[2]->count(); ++i) {
      to_shape[i] = -mass_[i / 2] * gradient[i];
    }
  }

 private:
  // The shift of one landmark; returns the probability in its window.
  float OfMap(const Maps& maps, const float* map, float log_z, const float* s,
      float* shift) {
    const Window window(maps, nearest(s[0]), nearest(s[1]), radius_);
    const int columns = window.right - window.left + 1;
    const int rows = columns > 0
        ? std::max(window.lower - window.upper + 1, 0) : 0;
    // What is beside the window has no probability.
    scores_.assign(rows * across_, -std::numeric_limits<float>::infinity());
    for (int row = 0; row < rows; ++row) {
      const float* from = map + (window.upper + row) * maps.width + window.left;
      std::copy(from, from + columns, &scores_[row * across_]);
    }
    return moments(rows, across_, scores_.data(), log_z, window.left - s[0],
        window.upper - s[1], shift);
  }

  int radius_, across_;
  std::vector<float> scores_;  // of a window, in rows of `across_`
  std::vector<float> mass_;    // (N, L)
};

// Gamma ------------------------------------------------------------------------

CAFFE_CLONES float dot(int n, const float* a, const float* b) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; }
  return sum;
}

// exp(factor |s_l - centre|^2) of all landmarks, and their sum.
CAFFE_CLONES float weights_round(int landmarks, const float* shape,
    const float* centre, float factor, float* weights) {
  const float centre_x = centre[0], centre_y = centre[1];
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int l = 0; l < landmarks; ++l) {
    const float x = shape[2 * l] - centre_x, y = shape[2 * l + 1] - centre_y;
    const float weight = fast_exp((x * x + y * y) * factor);
    weights[l] = weight;
    sum += weight;
  }
  return sum;
}

class Centre : public NativePass<float> {
 public:
  Centre(const std::vector<float>& pupils, float width, bool peak,
      float temperature, bool straight_through)
      : pupils_(pupils), width_(width), temperature_(temperature), peak_(peak),
        straight_through_(straight_through) {}

  virtual bool Forward(const Blobs& bottom, const Blobs& top) {
    const int num = bottom[1]->shape(0), landmarks = bottom[1]->shape(1);
    if (static_cast<size_t>(landmarks) != pupils_.size()) { return false; }
    const float* confidence = bottom[0]->cpu_data();
    const float* shape = bottom[1]->cpu_data();
    float* centres = top[0]->mutable_cpu_data();
    float* gamma = top[1]->mutable_cpu_data();
    for (int n = 0; n < num; ++n) {
      const float* s = shape + 2 * n * landmarks;
      const float* scores = confidence + n * landmarks;
      const int c = std::max_element(scores, scores + landmarks) - scores;
      centres[n] = c;
      Gamma(s, c, Sharpness(s), gamma + n * landmarks);
      if (top.size() > 2) {
        Policy(scores, top[2]->mutable_cpu_data() + n * landmarks);
      }
    }
    return true;
  }

  virtual void Backward(const Blobs& top, const std::vector<bool>& wanted,
      const Blobs& bottom) {
    NativePass<float>::Backward(top, wanted, bottom);
    if (!wanted[0] || (!straight_through_ && top.size() == 2)) { return; }
    const int num = bottom[1]->shape(0), landmarks = bottom[1]->shape(1);
    const float* confidence = bottom[0]->cpu_data();
    const float* shape = bottom[1]->cpu_data();
    const float* to_gamma = top[1]->cpu_diff();
    float* gradient = bottom[0]->mutable_cpu_diff();
    std::vector<float> p(landmarks), to_p(landmarks), gamma(landmarks);
    for (int n = 0; n < num; ++n) {
      Policy(confidence + n * landmarks, p.data());
      std::fill(to_p.begin(), to_p.end(), 0.f);
      if (top.size() > 2) {
        const float* to_policy = top[2]->cpu_diff() + n * landmarks;
        std::copy(to_policy, to_policy + landmarks, to_p.begin());
      }
      const float* s = shape + 2 * n * landmarks;
      const float sharpness = Sharpness(s);
      for (int c = 0; straight_through_ && c < landmarks; ++c) {
        Gamma(s, c, sharpness, gamma.data());
        to_p[c] += dot(landmarks, gamma.data(), to_gamma + n * landmarks);
      }
      const float mean = dot(landmarks, p.data(), to_p.data());
      for (int c = 0; c < landmarks; ++c) {
        gradient[n * landmarks + c] = p[c] * (to_p[c] - mean) / temperature_;
      }
    }
  }

 private:
  // -1 / (width D)^2 of a shape, D its inter-pupil distance.
  float Sharpness(const float* s) const {
    float x = 0, y = 0;
    for (size_t l = 0; l < pupils_.size(); ++l) {
      x += pupils_[l] * s[2 * l];
      y += pupils_[l] * s[2 * l + 1];
    }
    const float width = width_ * std::max(std::hypot(x, y), kSmallestDistance);
    return -1 / (width * width);
  }

  void Gamma(const float* s, int c, float sharpness, float* gamma) const {
    const int landmarks = pupils_.size();
    const float sum =
        weights_round(landmarks, s, s + 2 * c, sharpness, gamma);
    for (int l = 0; !peak_ && l < landmarks; ++l) { gamma[l] /= sum; }
  }

  // softmax(scores / temperature)
  void Policy(const float* scores, float* p) const {
    const int landmarks = pupils_.size();
    const float highest = *std::max_element(scores, scores + landmarks);
    float sum = 0;
    for (int l = 0; l < landmarks; ++l) {
      p[l] = fast_exp((scores[l] - highest) / temperature_);
      sum += p[l];
    }
    for (int l = 0; l < landmarks; ++l) { p[l] /= sum; }
  }

  std::vector<float> pupils_;
  float width_, temperature_;
  bool peak_, straight_through_;
};

// The rest of a step -------------------------------------------------------------

class Reweight : public NativePass<float> {
 public:
  explicit Reweight(float scale) : scale_(scale) {}

  virtual bool Forward(const Blobs& bottom, const Blobs& top) {
    Weigh(*bottom[1], bottom[0]->count(), bottom[0]->cpu_data(),
        top[0]->mutable_cpu_data());
    return true;
  }

  virtual void Backward(const Blobs& top, const std::vector<bool>& wanted,
      const Blobs& bottom) {
    const float* gradient = top[0]->cpu_diff();
    const int rows = bottom[1]->count(), features = bottom[0]->count() / rows;
    if (wanted[1]) {
      const float* phi = bottom[0]->cpu_data();
      float* to_gamma = bottom[1]->mutable_cpu_diff();
      for (int i = 0; i < rows; ++i) {
        to_gamma[i] = scale_ *
            dot(features, gradient + i * features, phi + i * features);
      }
    }
    if (wanted[0]) {
      Weigh(*bottom[1], bottom[0]->count(), gradient,
          bottom[0]->mutable_cpu_diff());
    }
  }

 private:
  // out = scale gamma from, each weight for as many numbers.
  void Weigh(const Blob<float>& gamma, int count, const float* from,
      float* out) const {
    const int rows = gamma.count(), features = count / rows;
    const float* weights = gamma.cpu_data();
    for (int i = 0; i < rows; ++i) {
      const float weight = scale_ * weights[i];
      for (int f = 0; f < features; ++f) { *out++ = weight * *from++; }
    }
  }

  float scale_;
};

class UpdateShape : public NativePass<float> {
 public:
  UpdateShape(float alpha, bool twice) : alpha_(alpha), twice_(twice) {}

  virtual bool Forward(const Blobs& bottom, const Blobs& top) {
    const float* h = bottom[0]->cpu_data();
    const float* gamma = bottom[1]->cpu_data();
    const float* s_hat = bottom[2]->cpu_data();
    float* delta = top[0]->mutable_cpu_data();
    float* next = top[1]->mutable_cpu_data();
    for (int i = 0; i < bottom[2]->count(); ++i) {
      delta[i] = alpha_ * gamma[i / 2] * h[i];
      next[i] = s_hat[i] + (twice_ ? gamma[i / 2] * delta[i] : delta[i]);
    }
    return true;
  }

  virtual void Backward(const Blobs& top, const std::vector<bool>& wanted,
      const Blobs& bottom) {
    const int count = bottom[2]->count();
    const float* gamma = bottom[1]->cpu_data();
    const float* to_next = top[1]->cpu_diff();
    const float* to_delta = top[0]->cpu_diff();
    // The gradient of delta, through s_hat_{t+1} too.
    const auto through = [&](int i) {
      return to_delta[i] + (twice_ ? gamma[i / 2] * to_next[i] : to_next[i]);
    };
    if (wanted[0]) {
      float* to_h = bottom[0]->mutable_cpu_diff();
      for (int i = 0; i < count; ++i) {
        to_h[i] = alpha_ * gamma[i / 2] * through(i);
      }
    }
    if (wanted[1]) {
      const float *h = bottom[0]->cpu_data(), *delta = top[0]->cpu_data();
      float* to_gamma = bottom[1]->mutable_cpu_diff();
      for (int i = 0; i < count; i += 2) {
        to_gamma[i / 2] =
            alpha_ * (h[i] * through(i) + h[i + 1] * through(i + 1));
        if (twice_) {
          to_gamma[i / 2] +=
              delta[i] * to_next[i] + delta[i + 1] * to_next[i + 1];
        }
      }
    }
    if (wanted[2]) {
      caffe_copy(count, to_next, bottom[2]->mutable_cpu_diff());
    }
  }

 private:
  float alpha_;
  bool twice_;
};

}  // namespace

Pass window_maxima(int window) { return Pass(new WindowMaxima(window)); }
Pass mean_shift(int radius) { return Pass(new MeanShift(radius)); }
Pass centre(const std::vector<float>& pupils, float width, bool peak,
    float temperature, bool straight_through) {
  return Pass(new Centre(pupils, width, peak, temperature, straight_through));
}
Pass reweight(float scale) { return Pass(new Reweight(scale)); }
Pass update_shape(float alpha, bool twice) {
  return Pass(new UpdateShape(alpha, twice));
}

}  // namespace rar
}  // namespace caffe
