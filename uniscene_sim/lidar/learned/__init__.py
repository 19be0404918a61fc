"""The learned LiDAR: sparse U-Net over 0.4 m labels, ray samples in occupied cells, rendered signed distances.

Training and data live elsewhere; modules that need torch are imported by the engine only when it is built."""
