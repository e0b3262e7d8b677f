#ifdef USE_DNNL

#include <cstdlib>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "caffe/common.hpp"
#include "caffe/util/dnnl_conv.hpp"
#include "caffe/util/dnnl_workspace.hpp"

namespace caffe {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;

using namespace dnnl_tools;  // NOLINT(build/namespaces)

bool dnnl_wanted() {
  const char* setting = std::getenv("CAFFE_DNNL");
  const bool off = setting && std::strcmp(setting, "0") == 0;
  return Caffe::mode() == Caffe::CPU && !off;
}

bool dnnl_geometry(const Blob<int>& sizes, int wanted) {
  const int* size = sizes.cpu_data();
  return sizes.count() == 2 && size[0] == wanted && size[1] == wanted;
}

DnnlConv::DnnlConv(const ConvSize& size, bool bias) {
  const int num = size.num, height = size.height, width = size.width;
  const int channels = size.channels, outputs = size.outputs;
  const memory::dims bottom = {num, channels, height, width};
  const memory::dims top = {num, outputs, height, width};
  const memory::dims weights = {outputs, channels, 3, 3};
  const memory::dims one = {1, 1};
  const auto number = memory::data_type::f32;
  const auto any = memory::format_tag::any;
  plain_bottom_ = memory::desc(bottom, number, memory::format_tag::nchw);
  plain_top_ = memory::desc(top, number, memory::format_tag::nchw);
  plain_weights_ = memory::desc(weights, number, memory::format_tag::oihw);
  const memory::desc b(bottom, number, any), t(top, number, any);
  const memory::desc w(weights, number, any);
  const memory::desc v = bias ?
      memory::desc({outputs}, number, memory::format_tag::x) : memory::desc();
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const dnnl::engine& engine = workspace().engine;
  const auto how = algorithm::convolution_direct;
  forward_ = dnnl::convolution_forward::primitive_desc(
      {prop_kind::forward_training, how, b, w, v, t, one, one, one},
      attributes, engine);
  backward_data_ = dnnl::convolution_backward_data::primitive_desc(
      {how, b, w, t, one, one, one}, attributes, engine, forward_);
  backward_weights_ = dnnl::convolution_backward_weights::primitive_desc(
      {how, b, w, t, one, one, one}, attributes, engine, forward_);
}

void DnnlConv::Forward(const float* bottom, const float* weights,
    const float* bias, const std::vector<ConvPiece>&, float* top) {
  const bool direct = forward_.dst_desc() == plain_top_;
  memory plain = wrap(plain_top_, top);
  memory result = direct ? plain : workspace().Get(TOP, forward_.dst_desc());
  std::unordered_map<int, memory> arguments = {
      {DNNL_ARG_SRC, converted(BOTTOM, wrap(plain_bottom_, bottom),
          forward_.src_desc())},
      {DNNL_ARG_WEIGHTS, converted(WEIGHTS, wrap(plain_weights_, weights),
          forward_.weights_desc())},
      {DNNL_ARG_DST, result}};
  if (bias) {
    arguments.insert({DNNL_ARG_BIAS, wrap(forward_.bias_desc(), bias)});
  }
  run<dnnl::convolution_forward>(forward_, arguments);
  if (!direct) { convert(result, plain); }
}

void DnnlConv::BackwardData(const std::vector<ConvPiece>&,
    const float* top_diff, const float* weights, float* bottom_diff) {
  const bool direct = backward_data_.diff_src_desc() == plain_bottom_;
  memory plain = wrap(plain_bottom_, bottom_diff);
  memory result = direct ? plain :
      workspace().Get(BOTTOM, backward_data_.diff_src_desc());
  run<dnnl::convolution_backward_data>(backward_data_, {
      {DNNL_ARG_DIFF_DST, converted(TOP, wrap(plain_top_, top_diff),
          backward_data_.diff_dst_desc())},
      {DNNL_ARG_WEIGHTS, converted(WEIGHTS, wrap(plain_weights_, weights),
          backward_data_.weights_desc())},
      {DNNL_ARG_DIFF_SRC, result}});
  if (!direct) { convert(result, plain); }
}

void DnnlConv::BackwardWeights(const float* bottom,
    const std::vector<ConvPiece>&, const float* top_diff,
    float* weights_diff) {
  memory weights = workspace().Get(WEIGHTS,
      backward_weights_.diff_weights_desc());
  run<dnnl::convolution_backward_weights>(backward_weights_, {
      {DNNL_ARG_SRC, converted(BOTTOM, wrap(plain_bottom_, bottom),
          backward_weights_.src_desc())},
      {DNNL_ARG_DIFF_DST, converted(TOP, wrap(plain_top_, top_diff),
          backward_weights_.diff_dst_desc())},
      {DNNL_ARG_DIFF_WEIGHTS, weights}});
  convert(weights, wrap(plain_weights_, weights_diff), true);
}

}  // namespace caffe

#endif  // USE_DNNL
