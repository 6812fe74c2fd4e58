"""Many machines through Ray: a worker on each GPU or share of a node's processor, and one driver that keeps."""
