"""Images that belong to each other: counterfactual pairs (`findings`), and two models on the same images (`joint`)."""
