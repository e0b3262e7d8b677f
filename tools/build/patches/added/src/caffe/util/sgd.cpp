#include <numeric>
#include <vector>

#include "caffe/util/sgd.hpp"
#include "caffe/util/simd.hpp"

namespace caffe {

namespace {

template <typename Dtype>
CAFFE_INLINE void step_part(const MomentumStep& step, long count,
    Dtype* __restrict weights, Dtype* __restrict diff,
    Dtype* __restrict history) {
  const Dtype scale = step.rate * step.scale, decay = step.rate * step.decay;
  const Dtype momentum = step.momentum;
  for (long i = 0; i < count; ++i) {
    // At a rate of 0, not even a gradient that is not finite counts.
    const Dtype gradient =
        step.rate == 0 ? 0 : scale * diff[i] + decay * weights[i];
    const Dtype by = gradient + momentum * history[i];
    history[i] = diff[i] = by;
    weights[i] -= by;
  }
}

CAFFE_CLONES void step_floats(const MomentumStep& step, long count,
    float* weights, float* diff, float* history) {
  step_part(step, count, weights, diff, history);
}

CAFFE_CLONES float squares_of(long count, const float* numbers) {
  return sum_in_lanes(count, [=](long i) { return numbers[i] * numbers[i]; });
}

}  // namespace

void momentum_step(const MomentumStep& step, long count, float* weights,
    float* diff, float* history) {
  in_parts(count, [&](long begin, long end) {
    step_floats(step, end - begin, weights + begin, diff + begin,
        history + begin);
  });
}

void momentum_step(const MomentumStep& step, long count, double* weights,
    double* diff, double* history) {
  step_part(step, count, weights, diff, history);
}

double sum_of_squares(long count, const float* numbers) {
  std::vector<float> sums(parts_of(count, kPart));
  in_parts(count, [&](long begin, long end) {
    sums[begin / kPart] = squares_of(end - begin, numbers + begin);
  });
  return std::accumulate(sums.begin(), sums.end(), 0.);
}

double sum_of_squares(long count, const double* numbers) {
  return std::inner_product(numbers, numbers + count, numbers, 0.);
}

}  // namespace caffe
