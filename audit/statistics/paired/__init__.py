"""Statistics of paired images: counterfactual pairs (`findings`), and two models on the same images (`joint`)."""
