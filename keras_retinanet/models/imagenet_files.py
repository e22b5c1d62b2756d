"""Where the ImageNet weights of each backbone are published, without their classifiers."""

KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
EFFICIENTNET = "https://storage.googleapis.com/keras-applications"
CAFFE_RESNETS = "https://github.com/fizyr/keras-models/releases/download/v0.0.1"
CLASSIFIERS = "https://github.com/qubvel/classification_models/releases/download/0.0.1"
TORCHVISION = "https://download.pytorch.org/models"
TIMM = "https://github.com/huggingface/pytorch-image-models/releases/download/v0.1-weights"
GLUON = "https://github.com/rwightman/pytorch-pretrained-gluonresnet/releases/download/v0.1"
ORDERING = "weights_tf_dim_ordering_tf_kernels"

TORCH_RESNETS = {
    "resnet18": f"{TORCHVISION}/resnet18-f37072fd.pth",
    "resnet34": f"{TORCHVISION}/resnet34-b627a593.pth",
    "resnext50_32x4d": f"{TORCHVISION}/resnext50_32x4d-7cdf4587.pth",
    "resnext101_32x4d": f"{GLUON}/gluon_resnext101_32x4d-b253c8c4.pth",
    "resnext101_32x8d": f"{TORCHVISION}/resnext101_32x8d-8ba56ff5.pth",
    "resnext101_64x4d": f"{TORCHVISION}/resnext101_64x4d-173b62eb.pth",
    "wide_resnet50_2": f"{TORCHVISION}/wide_resnet50_2-95faca4d.pth",
    "wide_resnet101_2": f"{TORCHVISION}/wide_resnet101_2-32ee1156.pth",
    "resnet18d": f"{TIMM}/resnet18d_ra2-48a79e06.pth",
    "resnet34d": f"{TIMM}/resnet34d_ra2-f8dcfcaf.pth",
    "resnet50d": f"{TIMM}/resnet50d_ra2-464e36ba.pth",
    "resnet101d": f"{TIMM}/resnet101d_ra2-2803ffab.pth",
    "resnet152d": f"{TIMM}/resnet152d_ra2-5cac0439.pth",
}
ALPHAS = {1.0: "1_0", 0.75: "7_5", 0.5: "5_0", 0.25: "2_5"}  # as MobileNet's files write them


# Each: f(match of the backbone's name) -> address.


def caffe_resnet(match):
    return f"{CAFFE_RESNETS}/ResNet-{match[1].removeprefix('resnet')}-model.keras.h5"


def torch_resnet(match):
    return TORCH_RESNETS[match[1]]


def vgg(match):
    return f"{KERAS}/{match[1]}/{match[1]}_{ORDERING}_notop.h5"


def densenet(match):
    return f"{KERAS}/densenet/{match[1]}_{ORDERING}_notop.h5"


def resnet_v2(match):
    return f"{KERAS}/resnet/{match[1]}_{ORDERING}_notop.h5"


def senet(match):
    return f"{CLASSIFIERS}/{match[1]}_imagenet_1000_no_top.h5"


def mobilenet(match):
    alpha = ALPHAS[float(match["alpha"])]
    return f"{KERAS}/mobilenet/mobilenet_{alpha}_{match['rows']}_tf_no_top.h5"


def mobilenet_v2(match):
    alpha = float(match["alpha"])
    return f"{KERAS}/mobilenet_v2/mobilenet_v2_{ORDERING}_{alpha}_224_no_top.h5"


def mobilenet_v3(match):
    stem = f"weights_mobilenet_v3_{match['size']}_224_{float(match['alpha'])}"
    return f"{KERAS}/mobilenet_v3/{stem}_float_no_top_v2.h5"


def efficientnet(match):
    return f"{EFFICIENTNET}/efficientnet{match['size'].lower()}_notop.h5"


def efficientnet_v2(match):
    return f"{KERAS}/efficientnet_v2/efficientnetv2-{match['size'].lower()}_notop.h5"


def convnext(match):
    return f"{KERAS}/convnext/{match[0]}_notop.h5"
