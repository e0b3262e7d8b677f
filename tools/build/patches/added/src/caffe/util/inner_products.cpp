#include <cstdint>
#include <vector>

#include "caffe/util/cores.hpp"
#include "caffe/util/few_rows.hpp"
#include "caffe/util/half_weights.hpp"
#include "caffe/util/inner_products.hpp"

namespace caffe {
namespace inner_products {

namespace {

const long kParallelFrom = 50000;  // weights; fewer are done before threads wake

template <typename Dtype>
struct Product {
  int M, N, K;
  const Dtype *x, *weights;
  const uint16_t* halves;  // of the weights; null: none
  const Dtype* bias;
  Dtype* y;
};

thread_local bool waiting = false;
thread_local std::vector<Product<float> > together;

void columns(const Product<float>& of, int n) {
  if (of.halves) {
    HalfWeights::Columns(of.M, of.N, of.K, n, of.x, of.halves, of.bias, of.y);
  } else {
    few_rows_columns(of.M, of.N, of.K, n, of.x, of.weights, of.bias, of.y);
  }
}

void columns(const Product<double>& of, int n) {
  few_rows_columns(of.M, of.N, of.K, n, of.x, of.weights, of.bias, of.y);
}

template <typename Dtype>
void run(const std::vector<Product<Dtype> >& products) {
  long weights = 0;
  for (const Product<Dtype>& one : products) {
    weights += static_cast<long>(one.N) * one.K;
  }
#pragma omp parallel num_threads(cores::threads()) if (weights > kParallelFrom)
  for (const Product<Dtype>& one : products) {
    // A thread's rows are the same in every step: they are in its core's cache.
#pragma omp for schedule(static) nowait
    for (int n = 0; n < one.N; n += kRowsTogether) { columns(one, n); }
  }
}

void run_together() {
  if (together.empty()) { return; }
  run(together);
  together.clear();
}

}  // namespace

void compute(int M, int N, int K, const float* x, const float* weights,
    uint64_t stamp, const float* bias, float* y) {
  together.push_back({M, N, K, x, weights,
      HalfWeights::Of(N, K, weights, stamp), bias, y});
  if (!waiting) { run_together(); }
}

void compute(int M, int N, int K, const double* x, const double* weights,
    uint64_t, const double* bias, double* y) {
  run<double>({{M, N, K, x, weights, nullptr, bias, y}});
}

Wait::Wait(bool wanted) : wanted_(wanted) { waiting = wanted; }

Wait::~Wait() {
  waiting = false;
  if (!wanted_) { run_together(); }
}

}  // namespace inner_products
}  // namespace caffe
