DROP TABLE rollout_packages;
