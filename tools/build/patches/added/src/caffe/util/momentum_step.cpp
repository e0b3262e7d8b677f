#include "caffe/util/momentum_step.hpp"
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
    const Dtype by =
        scale * diff[i] + decay * weights[i] + momentum * history[i];
    history[i] = diff[i] = by;
    weights[i] -= by;
  }
}

CAFFE_CLONES void step_floats(const MomentumStep& step, long count,
    float* weights, float* diff, float* history) {
  step_part(step, count, weights, diff, history);
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

}  // namespace caffe
