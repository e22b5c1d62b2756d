"""What retinanet-evaluate prints."""


def result_lines(results, by_class, label_to_name):
    """Yield 1.0's lines, COCO's table, and a line each for other numbers of the whole dataset.

    Args:
        results: what `evaluate.main` returns.
        by_class: {label: (AP, objects)}.
        label_to_name: a function.
    """
    from keras_retinanet.evaluation.average_precision import class_lines
    from keras_retinanet.evaluation.coco import summary_lines

    if not any(instances for _, instances in by_class.values()):
        yield "No test instances found."
        return
    yield from class_lines(by_class, label_to_name)
    if results["inference_seconds"] is not None:
        yield f"Inference time for {results['images']} images: {results['inference_seconds']:.4f}"
    yield (
        f"mAP using the weighted average of precisions among classes: {results['weighted_mAP']:.4f}"
    )
    yield f"mAP: {results['mAP']:.4f}"
    yield from summary_lines(results["coco"])
    yield from _more_lines(results)
    if results["comparison"]:
        yield comparison_line(results["comparison"])


def _more_lines(results):
    """Yield the lines on numbers that 1.0 did not have; undefined ones are left out."""
    intervals, best, lrp = results["intervals"], results["F1"]["best"], results["LRP"]
    if intervals and intervals["AP"][0] is not None:
        low, high = intervals["AP"]
        yield f"AP lies between {low:.3f} and {high:.3f} (95 %, {intervals['draws']} draws)"
    if results["voc"]["VOC12"] is not None:
        voc = results["voc"]
        yield f"VOC07: {voc['VOC07']:.4f}, VOC12: {voc['VOC12']:.4f}"
    if lrp["localisation"] is not None:
        parts = ", ".join(f"{key} {lrp[key]:.3f}" for key in ("localisation", "false", "missed"))
        yield f"LRP error: {lrp['oLRP']:.3f} ({parts})"
    if results["errors"]["AP"] is not None:
        yield error_line(results["errors"])
    if results["calibration"]["ECE"] is not None:
        yield calibration_line(results["calibration"])
    if best["threshold"] is not None:
        yield (
            f"Best F1: {best['F1']:.3f} above score {best['threshold']:.3f} "
            f"(precision {best['precision']:.3f}, recall {best['recall']:.3f})"
        )


def calibration_line(calibration):
    """Return how far scores lie from the share of detections that are right."""
    line = f"Calibration error: {calibration['ECE']:.3f}"
    held_out, temperature = calibration["held_out"], calibration["temperature"]
    if held_out["after"] is None or temperature is None:
        return line
    before, after = (f"{held_out[name]:.3f}" for name in ("before", "after"))
    return (
        f"{line}; a temperature of {temperature:.2f} would make it {after} in place of {before}, "
        "each half of the pictures with that of the other"
    )


def error_line(errors):
    """Return what each kind of error costs, the dearest first, in hundredths of AP.

    A kind whose mending would leave nothing to measure, all objects being missed, is left out.
    """
    costs = {kind: errors["costs"][kind] for kind in errors["counts"]}
    known = {kind: cost for kind, cost in costs.items() if cost is not None}
    kinds = sorted(known, key=lambda kind: -known[kind])
    parts = (f"{kind} {100 * known[kind]:.1f}" for kind in kinds)
    return f"AP lost to errors of {100 * errors['AP']:.1f} AP50: {', '.join(parts)}"


def comparison_line(comparison):
    """Return in words which of two results is better, in hundredths of AP."""
    name, numbers = comparison["file"], comparison["AP"]
    if numbers["difference"] is None or numbers["plus_minus"] is None:
        return f"{name} cannot be compared: there are no objects"
    difference, margin = 100 * numbers["difference"], 100 * numbers["plus_minus"]
    low, high = numbers["interval"]
    if low <= 0 <= high:
        return f"{name} is not shown to differ: {difference:+.1f} ± {margin:.1f} AP (95 %)"
    word = "better" if difference > 0 else "worse"
    return f"{name} is {word} by {abs(difference):.1f} ± {margin:.1f} AP (95 %)"
