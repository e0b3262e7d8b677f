#ifdef USE_DNNL

#include "caffe/util/conv3x3.hpp"
#include "caffe/util/dnnl_conv.hpp"
#include "caffe/util/winograd_conv.hpp"

namespace caffe {

namespace {

const int kLeastWinogradChannels = 16;

shared_ptr<Conv3x3> dnnl_conv(dnnl::algorithm how, const ConvSize& size,
    bool bias) {
  try {
    return shared_ptr<Conv3x3>(new DnnlConv(how, size, bias));
  } catch (const dnnl::error&) {  // it has no such kernel for this CPU
    return shared_ptr<Conv3x3>();
  }
}

}  // namespace

shared_ptr<Conv3x3> Conv3x3::Create(const ConvSize& size, bool bias,
    bool by_definition) {
  shared_ptr<Conv3x3> conv;
  if (size.channels >= kLeastWinogradChannels) {
    conv = dnnl_conv(dnnl::algorithm::convolution_winograd, size, bias);
  }
  if (!conv && WinogradConv::Pays(size)) { conv.reset(new WinogradConv(size)); }
  if (!conv && by_definition) {
    conv = dnnl_conv(dnnl::algorithm::convolution_direct, size, bias);
  }
  return conv;
}

}  // namespace caffe

#endif  // USE_DNNL
