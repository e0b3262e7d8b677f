#ifndef CAFFE_UTIL_CUDNN_WORKSPACE_H_
#define CAFFE_UTIL_CUDNN_WORKSPACE_H_

#ifdef USE_CUDNN

#include <cstddef>

// The backward pass computes the gradients by bias, weights and bottom of each
// group in streams of their own.
#define CUDNN_STREAMS_PER_GROUP 3

namespace caffe {

namespace cudnn {

/**
 * @brief What an algorithm may need for itself, bytes: CAFFE_CUDNN_WORKSPACE
 *        in the environment, in MiB; 256 unless it is set.
 *
 * For its tensor cores cuDNN rearranges whole maps: at 256 px the widest take
 * 64 MiB. With less it falls back to kernels that are several times slower.
 */
size_t workspace_limit();

/// @brief The next size at which another stream's part may begin.
inline size_t aligned(size_t size) { return (size + 255) / 256 * 256; }

/**
 * @brief GPU memory of at least so many bytes, NULL for none, the same for all
 *        layers of a thread: each waits for the one before, so that none needs
 *        any of its own. What was returned before is not valid any more.
 */
char* shared_workspace(size_t size);

}  // namespace cudnn

}  // namespace caffe

#endif  // USE_CUDNN

#endif  // CAFFE_UTIL_CUDNN_WORKSPACE_H_
