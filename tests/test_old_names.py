"""Every public name of keras-retinanet 1.0 stands where it stood, and takes what it took.

Left out is what the project dropped: `utils.tf_version`.
"""

import inspect
from importlib import import_module

import pytest

GENERATOR = (
    "transform_generator visual_effect_generator batch_size group_method shuffle_groups "
    "image_min_side image_max_side no_resize transform_parameters compute_anchor_targets "
    "compute_shapes preprocess_image config"
)
RANDOM_TRANSFORM = (
    "min_rotation max_rotation min_translation max_translation min_shear max_shear "
    "min_scaling max_scaling flip_x_chance flip_y_chance prng"
)

# module: {name: its positional arguments in 1.0's order, None where they do not matter}
NAMES = {
    "backend": {
        "bbox_transform_inv": "boxes deltas mean std",
        "shift": "shape stride anchors",
        "map_fn": "fn elems",
        "resize_images": "images size method align_corners",
    },
    "backend.backend": {"bbox_transform_inv": None, "shift": None},
    "bin.convert_model": {"main": "args", "parse_args": "args"},
    "bin.debug": {
        "main": "args",
        "parse_args": "args",
        "create_generator": "args",
        "run": "generator args anchor_params pyramid_levels",
        "make_output_path": "output_dir image_path flatten",
    },
    "bin.evaluate": {"main": "args", "parse_args": "args"},
    "bin.train": {
        "main": "args",
        "parse_args": "args",
        "check_args": None,
        "makedirs": "path",
        "model_with_weights": "model weights skip_mismatch",
        "create_models": "backbone_retinanet num_classes weights multi_gpu freeze_backbone lr "
        "optimizer_clipnorm config",
        "create_callbacks": "model training_model prediction_model validation_generator args",
        "create_generators": "args preprocess_image",
    },
    "callbacks": {"RedirectModel": "callback model"},
    "callbacks.common": {"RedirectModel": "callback model"},
    "callbacks.coco": {"CocoEval": "generator tensorboard threshold"},
    "callbacks.eval": {
        "Evaluate": "generator iou_threshold score_threshold max_detections save_path "
        "tensorboard weighted_average verbose"
    },
    "initializers": {"PriorProbability": "probability"},
    "layers": {
        "Anchors": "size stride ratios scales",
        "UpsampleLike": "",
        "RegressBoxes": "mean std",
        "ClipBoxes": "",
        "FilterDetections": "nms class_specific_filter nms_threshold score_threshold "
        "max_detections parallel_iterations",
    },
    "layers._misc": {
        "Anchors": None,
        "UpsampleLike": None,
        "RegressBoxes": None,
        "ClipBoxes": None,
    },
    "layers.filter_detections": {
        "FilterDetections": None,
        "filter_detections": "boxes classification other class_specific_filter nms "
        "score_threshold max_detections nms_threshold",
    },
    "losses": {"focal": "alpha gamma cutoff", "smooth_l1": "sigma"},
    "models": {
        "Backbone": "backbone",
        "backbone": "backbone_name",
        "load_model": "filepath backbone_name",
        "convert_model": "model nms class_specific_filter anchor_params",
        "assert_training_model": "model",
        "check_training_model": "model",
    },
    "models.retinanet": {
        "default_classification_model": "num_classes num_anchors pyramid_feature_size "
        "prior_probability classification_feature_size name",
        "default_regression_model": "num_values num_anchors pyramid_feature_size "
        "regression_feature_size name",
        "default_submodels": "num_classes num_anchors",
        "retinanet": "inputs backbone_layers num_classes num_anchors create_pyramid_features "
        "pyramid_levels submodels name",
        "retinanet_bbox": "model nms class_specific_filter name anchor_params pyramid_levels "
        "nms_threshold score_threshold max_detections parallel_iterations",
    },
    "models.resnet": {
        "ResNetBackbone": "backbone",
        "resnet_retinanet": "num_classes backbone inputs modifier",
        "resnet50_retinanet": "num_classes inputs",
        "resnet101_retinanet": "num_classes inputs",
        "resnet152_retinanet": "num_classes inputs",
    },
    "models.senet": {
        "SeBackbone": "backbone",
        "senet_retinanet": "num_classes backbone inputs modifier",
        "seresnet18_retinanet": "num_classes inputs",
        "seresnet34_retinanet": "num_classes inputs",
        "seresnet50_retinanet": "num_classes inputs",
        "seresnet101_retinanet": "num_classes inputs",
        "seresnet152_retinanet": "num_classes inputs",
        "seresnext50_retinanet": "num_classes inputs",
        "seresnext101_retinanet": "num_classes inputs",
        "senet154_retinanet": "num_classes inputs",
    },
    "models.effnet": {
        "EfficientNetBackbone": "backbone",
        "effnet_retinanet": "num_classes backbone inputs modifier",
        **{f"EfficientNetB{number}_retinanet": "num_classes inputs" for number in range(8)},
    },
    "models.mobilenet": {
        "MobileNetBackbone": "backbone",
        "mobilenet_retinanet": "num_classes backbone inputs modifier",
    },
    "models.vgg": {
        "VGGBackbone": "backbone",
        "vgg_retinanet": "num_classes backbone inputs modifier",
    },
    "models.densenet": {
        "DenseNetBackbone": "backbone",
        "densenet_retinanet": "num_classes backbone inputs modifier",
    },
    "preprocessing.generator": {"Generator": GENERATOR},
    "preprocessing.csv_generator": {
        "CSVGenerator": "csv_data_file csv_class_file base_dir",
        "_read_classes": None,
        "_read_annotations": None,
        "_parse": "value function fmt",
        "_open_for_csv": "path",
    },
    "preprocessing.coco": {"CocoGenerator": "data_dir set_name"},
    "preprocessing.kitti": {"KittiGenerator": "base_dir subset", "kitti_classes": None},
    "preprocessing.open_images": {
        "OpenImagesGenerator": "main_dir subset version labels_filter annotation_cache_dir "
        "parent_label",
        "load_hierarchy": None,
        "load_hierarchy_children": None,
        "find_hierarchy_parent": None,
        "get_labels": None,
        "generate_images_annotations_json": None,
    },
    "preprocessing.pascal_voc": {
        "PascalVocGenerator": "data_dir set_name classes image_extension skip_truncated "
        "skip_difficult",
        "voc_classes": None,
    },
    "utils.anchors": {
        "AnchorParameters": "sizes strides ratios scales",
        "anchor_targets_bbox": "anchors image_group annotations_group num_classes "
        "negative_overlap positive_overlap",
        "anchors_for_shape": "image_shape pyramid_levels anchor_params shapes_callback",
        "bbox_transform": "anchors gt_boxes mean std",
        "compute_gt_annotations": "anchors annotations negative_overlap positive_overlap",
        "generate_anchors": "base_size ratios scales",
        "guess_shapes": "image_shape pyramid_levels",
        "layer_shapes": "image_shape model",
        "make_shapes_callback": "model",
        "shift": "shape stride anchors",
    },
    "utils.coco_eval": {"evaluate_coco": "generator model threshold"},
    "utils.colors": {"label_color": "label"},
    "utils.compute_overlap": {"compute_overlap": None},
    "utils.config": {
        "read_config_file": "config_path",
        "parse_anchor_parameters": "config",
        "parse_pyramid_levels": "config",
    },
    "utils.eval": {
        "_compute_ap": "recall precision",
        "_get_annotations": "generator",
        "_get_detections": "generator model score_threshold max_detections save_path",
        "evaluate": "generator model iou_threshold score_threshold max_detections save_path",
    },
    "utils.gpu": {"setup_gpu": "gpu_id"},
    "utils.image": {
        "TransformParameters": "fill_mode interpolation cval relative_translation",
        "VisualEffect": "contrast_factor brightness_delta hue_delta saturation_factor",
        "adjust_brightness": "image delta",
        "adjust_contrast": "image factor",
        "adjust_hue": "image delta",
        "adjust_saturation": "image factor",
        "adjust_transform_for_image": "transform image relative_translation",
        "apply_transform": "matrix image params",
        "compute_resize_scale": "image_shape min_side max_side",
        "preprocess_image": "x mode",
        "random_visual_effect_generator": "contrast_range brightness_range hue_range "
        "saturation_range",
        "read_image_bgr": "path",
        "resize_image": "img min_side max_side",
    },
    "utils.model": {"freeze": "model"},
    "utils.transform": {
        "DEFAULT_PRNG": None,
        "change_transform_origin": "transform center",
        "colvec": None,
        "random_flip": "flip_x_chance flip_y_chance prng",
        "random_rotation": "min max prng",
        "random_scaling": "min max prng",
        "random_shear": "min max prng",
        "random_transform": RANDOM_TRANSFORM,
        "random_transform_generator": "prng",
        "random_translation": "min max prng",
        "rotation": "angle",
        "scaling": "factor",
        "shear": "angle",
        "transform_aabb": "transform aabb",
        "translation": None,
    },
    "utils.visualization": {
        "draw_annotations": "image annotations color label_to_name",
        "draw_box": "image box color thickness",
        "draw_boxes": "image boxes color thickness",
        "draw_caption": "image box caption",
        "draw_detections": "image boxes scores labels color label_to_name score_threshold",
    },
}
CASES = [
    pytest.param(module, name, arguments, id=f"{module}.{name}")
    for module, names in NAMES.items()
    for name, arguments in names.items()
]

METHODS = {
    "models.Backbone": "retinanet download_imagenet validate preprocess_image",
    "utils.anchors.AnchorParameters": "default num_anchors",
    "utils.image.TransformParameters": "cvBorderMode cvInterpolation",
    "preprocessing.generator.Generator": "size num_classes has_label has_name name_to_label "
    "label_to_name image_aspect_ratio image_path load_image load_annotations on_epoch_end "
    "load_annotations_group filter_annotations load_image_group random_visual_effect_group "
    "random_visual_effect_group_entry random_transform_group random_transform_group_entry "
    "resize_image preprocess_group preprocess_group_entry group_images compute_inputs "
    "generate_anchors compute_targets compute_input_output",
    "preprocessing.coco.CocoGenerator": "coco_label_to_label coco_label_to_name "
    "label_to_coco_label",
}


def find(path):
    module, name = path.rsplit(".", 1)
    return getattr(import_module(f"keras_retinanet.{module}"), name)


@pytest.mark.parametrize(("module", "name", "arguments"), CASES)
def test_names_of_1_0_are_at_their_place_and_take_its_arguments_in_its_order(
    module, name, arguments
):
    found = getattr(import_module(f"keras_retinanet.{module}"), name)
    if arguments is not None:
        parameters = inspect.signature(found).parameters.values()
        positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        wanted = arguments.split()
        assert positional[: len(wanted)] == wanted


@pytest.mark.parametrize(("path", "names"), METHODS.items(), ids=METHODS)
def test_classes_have_the_attributes_of_1_0(path, names):
    missing = [name for name in names.split() if not hasattr(find(path), name)]
    assert not missing


def test_a_backbone_has_the_custom_objects_of_1_0():
    from keras_retinanet import models

    backbone = models.backbone("resnet50")
    assert backbone.backbone == "resnet50"
    assert {
        "UpsampleLike",
        "PriorProbability",
        "RegressBoxes",
        "FilterDetections",
        "Anchors",
        "ClipBoxes",
        "_smooth_l1",
        "_focal",
    } <= set(backbone.custom_objects)
