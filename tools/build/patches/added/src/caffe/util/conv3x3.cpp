#ifdef USE_DNNL

#include "caffe/util/conv3x3.hpp"
#include "caffe/util/direct_conv.hpp"
#include "caffe/util/dnnl_conv.hpp"
#include "caffe/util/winograd_conv.hpp"

namespace caffe {

namespace {

const int kLeastWinogradChannels = 16;

// Where the definition is faster than Winograd's algorithm, whose transform of
// the weights weighs more on small maps.
bool few_channels(const ConvSize& size) {
  const bool small = size.height * size.width <= 32 * 32;
  return size.channels * size.outputs <= (small ? 48 * 96 : 48 * 48);
}

// `direct` where it serves: outputs and the bottom's diff. The rest is the
// other's.
class DirectConv : public Conv3x3 {
 public:
  DirectConv(const ConvSize& size, const shared_ptr<Conv3x3>& other)
      : maps_{size.num, size.channels, size.height, size.width, size.outputs},
        other_(other) {}
  virtual void Forward(const float* bottom, const float* weights,
      const float* bias, const std::vector<ConvPiece>&, float* top) {
    direct::convolve(maps_, 3, bottom, weights, bias, top);
  }
  virtual void BackwardData(const std::vector<ConvPiece>&,
      const float* top_diff, const float* weights, float* bottom_diff) {
    direct::convolve_back(maps_, 3, top_diff, weights, bottom_diff);
  }
  virtual void BackwardWeights(const float* bottom,
      const std::vector<ConvPiece>& pieces, const float* top_diff,
      float* weights_diff) {
    other_->BackwardWeights(bottom, pieces, top_diff, weights_diff);
  }

 private:
  MapsToMaps maps_;
  shared_ptr<Conv3x3> other_;
};

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
  if (conv && by_definition && direct::available() &&
      few_channels(size)) {
    conv.reset(new DirectConv(size, conv));
  }
  return conv;
}

}  // namespace caffe

#endif  // USE_DNNL
