"""Graph networks: meshes over a grid, the edges between, and messages along them."""
