"""What a learner wants beside the images, on request: flow, boxes, lanes. `annotator` makes it, `records` holds it."""
