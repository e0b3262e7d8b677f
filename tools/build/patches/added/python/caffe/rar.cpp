#include <Python.h>  // NOLINT(build/include_alpha)

#include <boost/python.hpp>

#include <stdexcept>
#include <vector>

#include "caffe/util/rar.hpp"

namespace bp = boost::python;

namespace caffe {

namespace {

template <typename Number>
std::vector<Number> numbers(const bp::object& sequence) {
  std::vector<Number> all;
  for (int i = 0; i < bp::len(sequence); ++i) {
    all.push_back(bp::extract<Number>(sequence[i]));
  }
  return all;
}

rar::Pass robust_initialisation(const boost::shared_ptr<Blob<float> >& basis,
    const bp::object& subsets, double pose_threshold, double threshold,
    double penalty, double ridge, int rounds, int enough,
    const bp::object& supports) {
  std::vector<std::vector<int> > chosen;
  for (int i = 0; i < bp::len(subsets); ++i) {
    chosen.push_back(numbers<int>(subsets[i]));
    for (int l : chosen.back()) {
      if (l < 0 || l >= basis->shape(1)) {
        throw std::invalid_argument("a subset names no landmark");
      }
    }
    if (chosen.back().empty() || chosen.back().size() != chosen[0].size()) {
      throw std::invalid_argument("subsets are of one size, and not empty");
    }
  }
  const std::vector<int> sizes = numbers<int>(supports);
  if (chosen.empty() || sizes.empty()) {
    throw std::invalid_argument("no subsets, or no supports");
  }
  return rar::robust_initialisation(basis, chosen, {pose_threshold, threshold,
      penalty, ridge, rounds, enough, sizes});
}

rar::Pass centre(const bp::object& pupils, float width, bool peak,
    float temperature, bool straight_through) {
  return rar::centre(numbers<float>(pupils), width, peak, temperature,
      straight_through);
}

}  // namespace

/// @brief The module caffe._caffe.rar: the twins of util/rar.hpp.
void define_rar() {
  const bp::object module(
      bp::borrowed(PyImport_AddModule("caffe._caffe.rar")));
  bp::scope().attr("rar") = module;
  const bp::scope inside(module);
  bp::class_<NativePass<float>, rar::Pass, boost::noncopyable>("Pass",
      bp::no_init);
  bp::def("decode", &rar::decode);
  bp::def("softmax_regression_loss", &rar::softmax_regression_loss);
  bp::def("robust_initialisation", &robust_initialisation);
  bp::def("window_maxima", &rar::window_maxima);
  bp::def("mean_shift", &rar::mean_shift);
  bp::def("centre", &centre);
  bp::def("reweight", &rar::reweight);
  bp::def("update_shape", &rar::update_shape);
}

}  // namespace caffe
