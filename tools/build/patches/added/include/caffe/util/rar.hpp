#ifndef CAFFE_UTIL_RAR_HPP_
#define CAFFE_UTIL_RAR_HPP_

#include <vector>

#include <boost/shared_ptr.hpp>

#include "caffe/blob.hpp"
#include "caffe/util/native_pass.hpp"

/**
 * Compiled twins of RAR's Python layers (layers/ of this project, which hold the
 * equations and the shapes of the blobs). N faces, L landmarks, T steps; shapes
 * are (N, L, 2), x before y, px of the crop.
 */
namespace caffe {
namespace rar {

typedef boost::shared_ptr<NativePass<float> > Pass;

/// @brief heatmap.HeatmapDecodeLayer
Pass decode(int radius);
/// @brief heatmap.SoftmaxRegressionLossLayer
Pass softmax_regression_loss(float sigma);

/// @brief The settings of face_fit.FitSettings that a fit needs.
struct FitSettings {
  double pose_threshold, threshold, penalty, ridge;
  int rounds, enough;
  std::vector<int> supports;
};

/// @brief initialisation.InitialisationLayer, mode "robust". basis: the layer's
///        blob (K, L, 2); subsets (samples, size): the landmarks from which
///        poses are tried.
Pass robust_initialisation(
    const boost::shared_ptr<Blob<float> >& basis,
    const std::vector<std::vector<int> >& subsets, const FitSettings& settings);

/// @brief shape_indexed.ShapeIndexedFeatureLayer
Pass window_maxima(int window);
/// @brief mean_shift.MeanShiftLayer
Pass mean_shift(int radius);
/// @brief attention.AttentionCentreLayer with argmax and Gauss; pupils (L): the
///        weights whose sum is the way from the left eye to the right one.
///        peak: kappa is 1, else the sum of Gamma is.
Pass centre(const std::vector<float>& pupils, float width, bool peak,
    float temperature, bool straight_through);
/// @brief reweight.ReweightLayer
Pass reweight(float scale);
/// @brief refinement.ShapeUpdateLayer
Pass update_shape(float alpha, bool twice);
/// @brief refinement.RefinementLossLayer
Pass refinement_loss();

}  // namespace rar
}  // namespace caffe

#endif  // CAFFE_UTIL_RAR_HPP_
