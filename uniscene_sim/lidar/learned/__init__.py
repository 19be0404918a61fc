"""The learned LiDAR: a sparse U-Net over 0.4 m labels, rays sampled where it is occupied, and distances along them."""
