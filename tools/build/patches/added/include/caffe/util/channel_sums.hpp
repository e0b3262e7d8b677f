#ifndef CAFFE_UTIL_CHANNEL_SUMS_HPP_
#define CAFFE_UTIL_CHANNEL_SUMS_HPP_

namespace caffe {

/// @brief sums[channel] += the numbers of its maps; maps (num, channels,
///        places). The same with any number of threads.
void add_channel_sums(int num, int channels, long places, const float* maps,
    float* sums);

}  // namespace caffe

#endif  // CAFFE_UTIL_CHANNEL_SUMS_HPP_
