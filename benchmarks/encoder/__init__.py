"""What the blocked full softmax of the sequence models costs, beside torch's cross-entropy on the whole product."""
