#include "caffe/util/few_rows.hpp"
#include "caffe/util/weight_gradients.hpp"

namespace caffe {

namespace {

thread_local WeightGradients* running = nullptr;

void append(const float* numbers, int count, std::vector<float>* to) {
  to->insert(to->end(), numbers, numbers + count);
}

}  // namespace

void WeightGradients::Add(int M, int N, int K, const float* y_diff,
    const float* x, float* weights_diff) {
  if (!running) {
    few_rows_weights(M, N, K, y_diff, x, weights_diff);
    return;
  }
  Factors& factors = running->kept_[std::make_pair(weights_diff, K)];
  factors.N = N;
  append(y_diff, M * N, &factors.y_diff);
  append(x, M * K, &factors.x);
}

void WeightGradients::Add(int M, int N, int K, const double* y_diff,
    const double* x, double* weights_diff) {
  few_rows_weights(M, N, K, y_diff, x, weights_diff);
}

void WeightGradients::AddKept() {
  for (auto& entry : kept_) {
    Factors& factors = entry.second;
    if (factors.y_diff.empty()) { continue; }  // of an earlier pass
    const int rows = factors.y_diff.size() / factors.N;
    few_rows_weights(rows, factors.N, entry.first.second,
        factors.y_diff.data(), factors.x.data(), entry.first.first);
    factors.y_diff.clear();
    factors.x.clear();
  }
}

WeightGradients::Pass::Pass(WeightGradients* gradients)
    : own_(gradients), outer_(running) {
  running = own_;
}

WeightGradients::Pass::~Pass() {
  if (own_) { own_->AddKept(); }
  running = outer_;
}

}  // namespace caffe
