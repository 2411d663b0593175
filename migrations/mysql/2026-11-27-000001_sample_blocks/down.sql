DROP TABLE sample_blocks;
