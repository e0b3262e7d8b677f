#ifndef CAFFE_UTIL_MOMENTUM_STEP_HPP_
#define CAFFE_UTIL_MOMENTUM_STEP_HPP_

namespace caffe {

struct MomentumStep {
  double scale;     ///< s: 1 / iter_size
  double decay;     ///< lambda
  double rate;      ///< eta
  double momentum;  ///< mu
};

/// @brief Stochastic gradient descent with momentum and L2 decay:
///        @f$ v = \eta (s g + \lambda w) + \mu v, w = w - v, g = v @f$, of
///        `count` weights, in one pass over memory.
void momentum_step(const MomentumStep& step, long count, float* weights,
    float* diff, float* history);
void momentum_step(const MomentumStep& step, long count, double* weights,
    double* diff, double* history);

}  // namespace caffe

#endif  // CAFFE_UTIL_MOMENTUM_STEP_HPP_
