#ifndef CAFFE_UTIL_GIL_HPP_
#define CAFFE_UTIL_GIL_HPP_

#include <Python.h>

namespace caffe {

/// @brief Holds Python's lock while it lives: for what calls Python, in
///        whatever thread. A thread that holds it already may.
class HoldGil {
 public:
  HoldGil() : state_(PyGILState_Ensure()) {}
  ~HoldGil() { PyGILState_Release(state_); }
  HoldGil(const HoldGil&) = delete;
  HoldGil& operator=(const HoldGil&) = delete;

 private:
  PyGILState_STATE state_;
};

/// @brief Lets Python's other threads run while it lives: for long work that
///        Python has called.
class ReleaseGil {
 public:
  ReleaseGil() : state_(PyEval_SaveThread()) {}
  ~ReleaseGil() { PyEval_RestoreThread(state_); }
  ReleaseGil(const ReleaseGil&) = delete;
  ReleaseGil& operator=(const ReleaseGil&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace caffe

#endif  // CAFFE_UTIL_GIL_HPP_
