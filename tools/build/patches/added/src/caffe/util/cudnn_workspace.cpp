#ifdef USE_CUDNN

#include <cuda_runtime.h>

#include <cerrno>
#include <cstdlib>

#include "caffe/common.hpp"
#include "caffe/util/cudnn_workspace.hpp"

namespace caffe {

namespace cudnn {

namespace {

const long kDefaultMiB = 256;
const long kMostMiB = 1 << 20;

long workspace_mib() {
  const char* setting = std::getenv("CAFFE_CUDNN_WORKSPACE");
  if (!setting || !*setting) { return kDefaultMiB; }
  char* end = NULL;
  errno = 0;
  const long wanted = std::strtol(setting, &end, 10);
  CHECK(!*end && !errno && wanted >= 0 && wanted <= kMostMiB)
      << "CAFFE_CUDNN_WORKSPACE=" << setting << " is no number of MiB";
  return wanted;
}

}  // namespace

size_t workspace_limit() {
  static const size_t limit = static_cast<size_t>(workspace_mib()) << 20;
  return limit;
}

char* shared_workspace(size_t size) {
  static thread_local char* data = NULL;
  static thread_local size_t held = 0;
  if (size > held) {
    CUDA_CHECK(cudaFree(data));  // waits for the kernels that still use it
    data = NULL;
    held = 0;
    void* fresh = NULL;
    const cudaError_t status = cudaMalloc(&fresh, size);
    CHECK_EQ(status, cudaSuccess) << "out of GPU memory: cuDNN needs "
        << (size >> 20) << " MiB for itself; lower CAFFE_CUDNN_WORKSPACE";
    data = static_cast<char*>(fresh);
    held = size;
  }
  return data;
}

}  // namespace cudnn

}  // namespace caffe

#endif  // USE_CUDNN
