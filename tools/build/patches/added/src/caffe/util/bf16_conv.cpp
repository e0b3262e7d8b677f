#ifdef USE_DNNL

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <mutex>  // NOLINT(build/c++11)
#include <unordered_map>
#include <vector>

#include "caffe/common.hpp"
#include "caffe/util/bf16_conv.hpp"
#include "caffe/util/dnnl_conv.hpp"
#include "caffe/util/dnnl_workspace.hpp"

namespace caffe {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;
using namespace dnnl_tools;  // NOLINT(build/namespaces)

namespace {

bool cpu_has_amx() {
  return dnnl::get_effective_cpu_isa() == dnnl::cpu_isa::avx512_core_amx;
}

void say_once_that_there_is_no_amx() {
  static std::once_flag said;
  std::call_once(said, [] {
    std::cerr << "CAFFE_BF16=1: this CPU has no AMX; computing in float"
        << std::endl;
  });
}

// The maps in bf16, channels last: their own, or converted.
memory in_bf16(Role role, const MapSizes& sizes, SyncedMemory* maps,
    const memory::desc& wanted) {
  if (const bf16* own = maps->bf16_data(sizes)) { return wrap(wanted, own); }
  memory made = workspace().Get(role, wanted);
  to_bf16(sizes, static_cast<const float*>(maps->cpu_data()),
      static_cast<bf16*>(made.get_data_handle()));
  return made;
}

}  // namespace

bool bf16_wanted() {
  const char* setting = std::getenv("CAFFE_BF16");
  if (!setting || !dnnl_wanted()) { return false; }
  if (std::strcmp(setting, "always") == 0) { return true; }
  if (std::strcmp(setting, "1") != 0) { return false; }
  if (!cpu_has_amx()) { say_once_that_there_is_no_amx(); }
  return cpu_has_amx();
}

bool Bf16Conv::Serves(const ConvSize& size, int kernel) {
  return kernel != 1 || size.outputs % 2 == 0 || cpu_has_amx();
}

Bf16Conv::Bf16Conv(const ConvSize& size, int kernel, bool bias,
    const std::vector<ConvPiece>& pieces, bool rectified)
    : size_(size), pieces_(pieces), rectified_(rectified) {
  const int num = size.num, height = size.height, width = size.width;
  const int phases = pieces.size(), pixels = height * width;
  bottom_sizes_ = {num, size.channels, pixels};
  top_sizes_ = {num, size.outputs / phases, pixels * phases};
  const memory::dims bottom = {num, size.channels, height, width};
  const memory::dims top = {num, size.outputs, height, width};
  const memory::dims weights = {size.outputs, size.channels, kernel, kernel};
  const memory::dims one = {1, 1}, pad = {kernel / 2, kernel / 2};
  const auto half = memory::data_type::bf16, whole = memory::data_type::f32;
  const auto last = memory::format_tag::nhwc, any = memory::format_tag::any;
  plain_weights_ = memory::desc(weights, whole, memory::format_tag::oihw);
  bias_ = memory::desc({size.outputs}, whole, memory::format_tag::x);
  const memory::desc b(bottom, half, last), t(top, half, last);
  const memory::desc result(top, rectified ? half : whole, last);
  const memory::desc w(weights, half, any), v = bias ? bias_ : memory::desc();
  const memory::desc gradient(weights, whole, any);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const auto how = algorithm::convolution_direct;
  const dnnl::engine& engine = workspace().engine;
  const dnnl::convolution_forward::primitive_desc hint(
      {prop_kind::forward_training, how, b, w, v, t, one, pad, pad},
      attributes, engine);
  backward_data_ = dnnl::convolution_backward_data::primitive_desc(
      {how, b, w, t, one, pad, pad}, attributes, engine, hint);
  backward_weights_ = dnnl::convolution_backward_weights::primitive_desc(
      {how, b, gradient, bias_, t, one, pad, pad}, attributes, engine, hint);
  if (rectified) {
    dnnl::post_ops relu;
    relu.append_eltwise(1, algorithm::eltwise_relu, 0, 0);
    attributes.set_post_ops(relu);
  }
  forward_ = dnnl::convolution_forward::primitive_desc(
      {prop_kind::forward_training, how, b, w, v, result, one, pad, pad},
      attributes, engine);
}

memory::desc Bf16Conv::InCaffe(const ConvPiece& piece) const {
  return memory::desc({size_.num, piece.channels, size_.height, size_.width},
      memory::data_type::f32, piece.stride);
}

void Bf16Conv::Forward(SyncedMemory* bottom, const float* weights,
    const float* bias, SyncedMemory* top) {
  const bool direct = rectified_ && pieces_.size() == 1;
  memory result = direct ?
      wrap(forward_.dst_desc(), top->mutable_bf16_data(top_sizes_)) :
      workspace().Get(TOP, forward_.dst_desc());
  std::unordered_map<int, memory> arguments = {
      {DNNL_ARG_SRC, in_bf16(BOTTOM, bottom_sizes_, bottom,
          forward_.src_desc())},
      {DNNL_ARG_WEIGHTS, converted(WEIGHTS, wrap(plain_weights_, weights),
          forward_.weights_desc())},
      {DNNL_ARG_DST, result}};
  if (bias) { arguments.insert({DNNL_ARG_BIAS, wrap(bias_, bias)}); }
  run<dnnl::convolution_forward>(forward_, arguments);
  if (rectified_) {
    if (!direct) { WriteBf16(result, top); }
    top->bf16_written();
    return;
  }
  float* data = static_cast<float*>(top->mutable_cpu_data());
  for (const ConvPiece& piece : pieces_) {
    convert(wrap(part(forward_.dst_desc(), piece.first_channel,
        piece.channels), result.get_data_handle()),
        wrap(InCaffe(piece), data + piece.offset));
  }
}

void Bf16Conv::WriteBf16(const memory& phases, SyncedMemory* top) const {
  interleave_bf16(size_.num, size_.height, size_.width, top_sizes_.channels,
      static_cast<const bf16*>(phases.get_data_handle()),
      top->mutable_bf16_data(top_sizes_));
}

// For a deconvolution as the channels of one convolution.
memory Bf16Conv::TopDiff(SyncedMemory* top_diff) const {
  const memory::desc wanted = backward_data_.diff_dst_desc();
  if (pieces_.size() == 1) {
    return in_bf16(TOP, top_sizes_, top_diff, wanted);
  }
  memory image = in_bf16(BOTTOM, top_sizes_, top_diff, wanted);
  memory phases = workspace().Get(TOP, wanted);
  deinterleave_bf16(size_.num, size_.height, size_.width, top_sizes_.channels,
      static_cast<const bf16*>(image.get_data_handle()),
      static_cast<bf16*>(phases.get_data_handle()));
  return phases;
}

void Bf16Conv::Backward(SyncedMemory* bottom, SyncedMemory* top_diff,
    const float* weights, float* weights_diff, float* bias_diff,
    SyncedMemory* bottom_diff) {
  const memory diff = TopDiff(top_diff);
  if (bias_diff) { BackwardWeights(bottom, diff, weights_diff, bias_diff); }
  if (bottom_diff) { BackwardData(diff, weights, bottom_diff); }
}

void Bf16Conv::BackwardWeights(SyncedMemory* bottom, const memory& top_diff,
    float* weights_diff, float* bias_diff) {
  memory weights = workspace().Get(WEIGHTS,
      backward_weights_.diff_weights_desc());
  run<dnnl::convolution_backward_weights>(backward_weights_, {
      {DNNL_ARG_SRC, in_bf16(BOTTOM, bottom_sizes_, bottom,
          backward_weights_.src_desc())},
      {DNNL_ARG_DIFF_DST, top_diff},
      {DNNL_ARG_DIFF_WEIGHTS, weights},
      {DNNL_ARG_DIFF_BIAS, wrap(bias_, bias_diff)}});
  if (weights_diff) {
    convert(weights, wrap(plain_weights_, weights_diff), true);
  }
}

void Bf16Conv::BackwardData(const memory& top_diff, const float* weights,
    SyncedMemory* bottom_diff) {
  run<dnnl::convolution_backward_data>(backward_data_, {
      {DNNL_ARG_DIFF_DST, top_diff},
      {DNNL_ARG_WEIGHTS, converted(WEIGHTS, wrap(plain_weights_, weights),
          backward_data_.weights_desc())},
      {DNNL_ARG_DIFF_SRC, wrap(backward_data_.diff_src_desc(),
          bottom_diff->mutable_bf16_data(bottom_sizes_))}});
  bottom_diff->bf16_written();
}

}  // namespace caffe

#endif  // USE_DNNL
