#ifdef USE_DNNL

#include "caffe/util/same_conv.hpp"
#include "caffe/util/dnnl_conv.hpp"
#include "caffe/util/pointwise_conv.hpp"
#include "caffe/util/winograd_conv.hpp"

namespace caffe {

shared_ptr<SameConv> SameConv::Create(const ConvSize& size, int kernel,
    bool bias, bool by_definition) {
  shared_ptr<SameConv> conv;
  if (kernel == 1) {
    if (PointwiseConv::Available()) { conv.reset(new PointwiseConv(size)); }
  } else if (WinogradConv::Available()) {
    conv.reset(new WinogradConv(size));
  } else if (by_definition) {
    conv.reset(new DnnlConv(size, bias));
  }
  return conv;
}

}  // namespace caffe

#endif  // USE_DNNL
