#include "caffe/util/channel_sums.hpp"
#include "caffe/util/cores.hpp"
#include "caffe/util/simd.hpp"

namespace caffe {

namespace {

const long kFewNumbers = 60000;  // for one thread

CAFFE_CLONES float sum_of(long count, const float* numbers) {
  return sum_in_lanes(count, [=](long i) { return numbers[i]; });
}

}  // namespace

void add_channel_sums(int num, int channels, long places, const float* maps,
    float* sums) {
#pragma omp parallel for num_threads(cores::threads()) \
    if (num * channels * places > kFewNumbers)
  for (int c = 0; c < channels; ++c) {
    for (int n = 0; n < num; ++n) {
      sums[c] += sum_of(places, maps + (long(n) * channels + c) * places);
    }
  }
}

}  // namespace caffe
