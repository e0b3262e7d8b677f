#ifndef CAFFE_UTIL_HALF_WEIGHTS_HPP_
#define CAFFE_UTIL_HALF_WEIGHTS_HPP_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace caffe {

/**
 * Weights of a net that are used again and again, as those of an unrolled
 * recurrence, at half precision.
 *
 * Such weights are read from memory once a step, which takes longer than to
 * multiply with them. At half the size they stay in the caches of the cores.
 * Only weights that half precision holds exactly, as shipped ones, are kept so;
 * the others are used as they are. A copy is used for as long as nothing can
 * have written the weights; while somebody keeps a pointer to them, who may
 * write between passes, for one forward pass.
 */
class HalfWeights {
 public:
  /// @brief The copy of W, N x K, in the running pass; null: there is none, or
  ///        it is not worth it. stamp: SyncedMemory's.
  static const uint16_t* Of(int N, int K, const float* weights, uint64_t stamp);
  /// @brief few_rows_columns of few_rows.hpp, with a copy of W.
  static void Columns(int M, int N, int K, int n, const float* x,
      const uint16_t* copy, const float* bias, float* y);

  /// @brief A forward pass of the net that owns `weights`, on this thread, for
  ///        as long as this lives; null: of one that wants no copies.
  class Pass {
   public:
    explicit Pass(HalfWeights* weights);
    ~Pass();

   private:
    HalfWeights* outer_;  // of a pass within which this one runs

    Pass(const Pass&);
    Pass& operator=(const Pass&);
  };

 private:
  struct Copy {
    int pass;        // the last that used these weights
    uint64_t stamp;  // of the weights then
    bool made, exact;
    std::vector<uint16_t> halves;  // padded to whole vectors and streams of rows
  };

  HalfWeights() : pass_(0) {}
  /// @brief The copy, if one is worth it and exact; else null.
  const uint16_t* Find(int N, int K, const float* weights, uint64_t stamp);
  /// @brief Writes the copy; false when a weight is no half.
  static bool Halve(int N, int K, const float* weights,
      std::vector<uint16_t>* halves);

  int pass_;
  // By weights and K: layers may share weights in other shapes.
  std::map<std::pair<const float*, int>, Copy> copies_;

  template <typename Dtype>
  friend class Net;
};

}  // namespace caffe

#endif  // CAFFE_UTIL_HALF_WEIGHTS_HPP_
