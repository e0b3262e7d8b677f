#ifdef USE_DNNL

#include <cstdlib>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <vector>

#include "caffe/common.hpp"
#include "caffe/util/dnnl_conv.hpp"

namespace caffe {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;

namespace {

const int kLeastWinogradChannels = 16;

enum Role { BOTTOM, TOP, WEIGHTS, BIAS, SCRATCH };

// Buffers that all layers of a thread share, one for each role: no layer needs
// them after its call, and a buffer a layer would take 1.5 GiB at VGG's sizes.
class Workspace {
 public:
  memory Get(Role role, const memory::desc& desc) {
    Buffer& buffer = buffers_[role];
    if (buffer.size < desc.get_size()) {
      const size_t size = (desc.get_size() + 63) / 64 * 64;
      buffer.data.reset(std::aligned_alloc(64, size));
      CHECK(buffer.data) << "out of memory: oneDNN needs " << size << " bytes";
      buffer.size = size;
    }
    return memory(desc, engine, buffer.data.get());
  }

  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};

 private:
  struct Free {
    void operator()(void* data) const { std::free(data); }
  };
  struct Buffer {
    std::unique_ptr<void, Free> data;
    size_t size = 0;
  };
  Buffer buffers_[SCRATCH + 1];
};

Workspace& workspace() {
  static thread_local Workspace shared;
  return shared;
}

memory wrap(const memory::desc& desc, const float* data) {
  return memory(desc, workspace().engine, const_cast<float*>(data));
}

// to = from, or to += from
void convert(const memory& from, memory to, bool add = false) {
  dnnl::primitive_attr attributes;
  if (add) {
    dnnl::post_ops sum;
    sum.append_sum();
    attributes.set_post_ops(sum);
  }
  dnnl::reorder::primitive_desc desc(from, to, attributes);
  memory source(from);
  dnnl::reorder(desc).execute(workspace().stream, source, to);
}

// The numbers in the layout wanted: themselves if they have it already.
memory converted(Role role, const memory& from, const memory::desc& wanted) {
  if (from.get_desc() == wanted) { return from; }
  memory to = workspace().Get(role, wanted);
  convert(from, to);
  return to;
}

memory::desc part(const memory::desc& whole, const DnnlPiece& piece) {
  return whole.submemory_desc(piece.caffe.dims(),
      {0, piece.first_channel, 0, 0});
}

template <typename Primitive, typename Desc>
void run(const Desc& desc, std::unordered_map<int, memory> arguments) {
  arguments.insert({DNNL_ARG_SCRATCHPAD,
      workspace().Get(SCRATCH, desc.scratchpad_desc())});
  Primitive(desc).execute(workspace().stream, arguments);
  workspace().stream.wait();
}

}  // namespace

bool dnnl_wanted() {
  const char* setting = std::getenv("CAFFE_DNNL");
  const bool off = setting && std::strcmp(setting, "0") == 0;
  return Caffe::mode() == Caffe::CPU && !off;
}

bool dnnl_geometry(const Blob<int>& sizes, int wanted) {
  const int* size = sizes.cpu_data();
  return sizes.count() == 2 && size[0] == wanted && size[1] == wanted;
}

shared_ptr<DnnlConv> DnnlConv::Create(int num, int channels, int height,
    int width, int outputs, bool bias, bool by_definition) {
  std::vector<algorithm> ways;
  if (channels >= kLeastWinogradChannels) {
    ways.push_back(algorithm::convolution_winograd);
  }
  if (by_definition) { ways.push_back(algorithm::convolution_direct); }
  for (const algorithm how : ways) {
    try {
      return shared_ptr<DnnlConv>(new DnnlConv(how, num, channels, height,
          width, outputs, bias));
    } catch (const dnnl::error&) {  // it has no such kernel for this CPU
    }
  }
  return shared_ptr<DnnlConv>();
}

DnnlConv::DnnlConv(algorithm how, int num, int channels, int height, int width,
    int outputs, bool bias) : bias_(bias), outputs_(outputs) {
  const memory::dims bottom = {num, channels, height, width};
  const memory::dims top = {num, outputs, height, width};
  const memory::dims weights = {outputs, channels, 3, 3};
  const memory::dims one = {1, 1};
  const auto number = memory::data_type::f32;
  const auto any = memory::format_tag::any;
  plain_bottom_ = memory::desc(bottom, number, memory::format_tag::nchw);
  plain_weights_ = memory::desc(weights, number, memory::format_tag::oihw);
  const memory::desc b(bottom, number, any), t(top, number, any);
  const memory::desc w(weights, number, any);
  const memory::desc v = bias ?
      memory::desc({outputs}, number, memory::format_tag::x) : memory::desc();
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const dnnl::engine& engine = workspace().engine;
  // For inference oneDNN would keep weights transformed: as fast, and slow to
  // bring there.
  forward_ = dnnl::convolution_forward::primitive_desc(
      {prop_kind::forward_training, how, b, w, v, t, one, one, one},
      attributes, engine);
  backward_data_ = dnnl::convolution_backward_data::primitive_desc(
      {how, b, w, t, one, one, one}, attributes, engine, forward_);
  backward_weights_ = dnnl::convolution_backward_weights::primitive_desc(
      {how, b, w, v, t, one, one, one}, attributes, engine, forward_);
}

void DnnlConv::Forward(const float* bottom, const float* weights,
    const float* bias, const std::vector<DnnlPiece>& pieces, float* top) {
  const bool direct = pieces.size() == 1 &&
      pieces[0].caffe == forward_.dst_desc();
  memory result = direct ? wrap(forward_.dst_desc(), top) :
      workspace().Get(TOP, forward_.dst_desc());
  std::unordered_map<int, memory> arguments = {
      {DNNL_ARG_SRC, converted(BOTTOM, wrap(plain_bottom_, bottom),
          forward_.src_desc())},
      {DNNL_ARG_WEIGHTS, converted(WEIGHTS, wrap(plain_weights_, weights),
          forward_.weights_desc())},
      {DNNL_ARG_DST, result}};
  if (bias_) {
    arguments.insert({DNNL_ARG_BIAS, wrap(forward_.bias_desc(), bias)});
  }
  run<dnnl::convolution_forward>(forward_, arguments);
  if (direct) { return; }
  const float* data = static_cast<const float*>(result.get_data_handle());
  for (const DnnlPiece& piece : pieces) {
    convert(wrap(part(forward_.dst_desc(), piece), data),
        wrap(piece.caffe, top + piece.offset));
  }
}

memory DnnlConv::Gather(const std::vector<DnnlPiece>& pieces,
    const float* top_diff, const memory::desc& wanted) {
  if (pieces.size() == 1) {
    return converted(TOP, wrap(pieces[0].caffe, top_diff), wanted);
  }
  memory whole = workspace().Get(TOP, wanted);
  float* data = static_cast<float*>(whole.get_data_handle());
  for (const DnnlPiece& piece : pieces) {
    convert(wrap(piece.caffe, top_diff + piece.offset),
        wrap(part(wanted, piece), data));
  }
  return whole;
}

void DnnlConv::BackwardData(const std::vector<DnnlPiece>& pieces,
    const float* top_diff, const float* weights, float* bottom_diff) {
  const bool direct = backward_data_.diff_src_desc() == plain_bottom_;
  memory plain = wrap(plain_bottom_, bottom_diff);
  memory result = direct ? plain :
      workspace().Get(BOTTOM, backward_data_.diff_src_desc());
  run<dnnl::convolution_backward_data>(backward_data_, {
      {DNNL_ARG_DIFF_DST, Gather(pieces, top_diff,
          backward_data_.diff_dst_desc())},
      {DNNL_ARG_WEIGHTS, converted(WEIGHTS, wrap(plain_weights_, weights),
          backward_data_.weights_desc())},
      {DNNL_ARG_DIFF_SRC, result}});
  if (!direct) { convert(result, plain); }
}

void DnnlConv::BackwardWeights(const float* bottom,
    const std::vector<DnnlPiece>& pieces, const float* top_diff,
    float* weights_diff, float* bias_diff) {
  memory weights = workspace().Get(WEIGHTS,
      backward_weights_.diff_weights_desc());
  std::unordered_map<int, memory> arguments = {
      {DNNL_ARG_SRC, converted(BOTTOM, wrap(plain_bottom_, bottom),
          backward_weights_.src_desc())},
      {DNNL_ARG_DIFF_DST, Gather(pieces, top_diff,
          backward_weights_.diff_dst_desc())},
      {DNNL_ARG_DIFF_WEIGHTS, weights}};
  if (bias_) {
    arguments.insert({DNNL_ARG_DIFF_BIAS,
        workspace().Get(BIAS, backward_weights_.diff_bias_desc())});
  }
  run<dnnl::convolution_backward_weights>(backward_weights_, arguments);
  if (weights_diff) {
    convert(weights, wrap(plain_weights_, weights_diff), true);
  }
  if (bias_ && bias_diff) {
    const float* sums = static_cast<const float*>(
        arguments.at(DNNL_ARG_DIFF_BIAS).get_data_handle());
    for (int i = 0; i < outputs_; ++i) { bias_diff[i] += sums[i]; }
  }
}

}  // namespace caffe

#endif  // USE_DNNL
