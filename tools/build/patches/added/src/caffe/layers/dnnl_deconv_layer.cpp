#ifdef USE_DNNL

#include "caffe/layers/dnnl_deconv_layer.hpp"
#include "caffe/util/cores.hpp"

namespace caffe {

namespace {

// Fewer weights are rearranged before threads wake.
const size_t kParallelFrom = 50000;

// The tap of a row (or column) of the 4 x 4 kernel in the 3 x 3 kernel of the
// even (0) or odd (1) rows of the top; -1: none.
// Row 2 i + odd of the top takes row i + tap - 1 of the bottom.
int tap(int row, int odd) {
  const int twice = odd + 3 - row;
  return twice % 2 == 0 ? twice / 2 : -1;
}

// Calls visit(case, row, column, place) for each of the 16 weights of a kernel
// in each case that uses it; place: in the 3 x 3 kernel.
template <typename Visit>
void for_each_weight(Visit visit) {
  for (int phase = 0; phase < 4; ++phase) {
    for (int row = 0; row < 4; ++row) {
      for (int column = 0; column < 4; ++column) {
        const int down = tap(row, phase / 2), right = tap(column, phase % 2);
        if (down >= 0 && right >= 0) {
          visit(phase, row * 4 + column, down * 3 + right);
        }
      }
    }
  }
}

}  // namespace

template <typename Dtype>
void DnnlDeconvolutionLayer<Dtype>::MakeConv(int height, int width) {
  const int outputs = this->num_output_;
  const int kernel = ConvKernel();
  if (!kernel) { return; }
  this->conv_ = SameConv::Create({this->num_, this->channels_, height, width,
      4 * outputs}, kernel, this->bias_term_, false);
  if (!this->conv_) { return; }
  this->pieces_ = Pieces(height, width);
}

template <typename Dtype>
vector<ConvPiece> DnnlDeconvolutionLayer<Dtype>::Pieces(int height,
    int width) const {
  const int outputs = this->num_output_;
  const long row = 4 * width, channel = row * height;
  vector<ConvPiece> pieces;
  for (int phase = 0; phase < 4; ++phase) {
    pieces.push_back({phase * outputs, outputs,
        {channel * outputs, channel, row, 2},
        phase / 2 * 2 * width + phase % 2});
  }
  return pieces;
}

template <typename Dtype>
int DnnlDeconvolutionLayer<Dtype>::ConvKernel() const {
  return dnnl_geometry(this->kernel_shape_, 4) &&
      dnnl_geometry(this->stride_, 2) && dnnl_geometry(this->pad_, 1) ? 3 : 0;
}

template <typename Dtype>
const Dtype* DnnlDeconvolutionLayer<Dtype>::ConvWeights() {
  const Dtype* weights = this->blobs_[0]->cpu_data();
  const int outputs = this->num_output_, channels = this->channels_;
  weights_.resize(4 * outputs * channels * 9);
#pragma omp parallel for num_threads(cores::threads()) \
    if (weights_.size() > kParallelFrom)
  for (int o = 0; o < outputs; ++o) {
    for_each_weight([&](int phase, int from, int to) {
      Dtype* row = &weights_[(phase * outputs + o) * channels * 9 + to];
      for (int c = 0; c < channels; ++c) {
        row[c * 9] = weights[(c * outputs + o) * 16 + from];
      }
    });
  }
  return weights_.data();
}

template <typename Dtype>
const Dtype* DnnlDeconvolutionLayer<Dtype>::ConvBias() {
  if (!this->bias_term_) { return NULL; }
  const Dtype* bias = this->blobs_[1]->cpu_data();
  bias_.clear();
  for (int phase = 0; phase < 4; ++phase) {
    bias_.insert(bias_.end(), bias, bias + this->num_output_);
  }
  return bias_.data();
}

template <typename Dtype>
Dtype* DnnlDeconvolutionLayer<Dtype>::ConvWeightsDiff() {
  weights_diff_.assign(weights_.size(), 0);
  return weights_diff_.data();
}

// The diff of the layer's own weights += weights_diff_.
template <typename Dtype>
void DnnlDeconvolutionLayer<Dtype>::CollectWeightsDiff() {
  const int outputs = this->num_output_, channels = this->channels_;
  Dtype* diff = this->blobs_[0]->mutable_cpu_diff();
#pragma omp parallel for num_threads(cores::threads()) \
    if (weights_.size() > kParallelFrom)
  for (int o = 0; o < outputs; ++o) {
    for_each_weight([&](int phase, int to, int from) {
      const Dtype* row =
          &weights_diff_[(phase * outputs + o) * channels * 9 + from];
      for (int c = 0; c < channels; ++c) {
        diff[(c * outputs + o) * 16 + to] += row[c * 9];
      }
    });
  }
}

INSTANTIATE_CLASS(DnnlDeconvolutionLayer);

}  // namespace caffe

#endif  // USE_DNNL
