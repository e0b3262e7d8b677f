#include "caffe/util/channel_sums.hpp"
#include "caffe/util/cores.hpp"
#include "caffe/util/simd.hpp"

namespace caffe {

namespace {

const long kFewNumbers = 60000;  // for one thread

CAFFE_CLONES float sum_of(const float* numbers, long count) {
  const int kLanes = 32;
  float sums[kLanes] = {};
  long i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      sums[lane] += numbers[i + lane];
    }
  }
  for (int lane = 0; i < count; ++i, ++lane) { sums[lane] += numbers[i]; }
  float sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) { sum += sums[lane]; }
  return sum;
}

}  // namespace

void add_channel_sums(int num, int channels, long places, const float* maps,
    float* sums) {
#pragma omp parallel for num_threads(cores::threads()) \
    if (num * channels * places > kFewNumbers)
  for (int c = 0; c < channels; ++c) {
    for (int n = 0; n < num; ++n) {
      sums[c] += sum_of(maps + (long(n) * channels + c) * places, places);
    }
  }
}

}  // namespace caffe
