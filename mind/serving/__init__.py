"""Where Spark meets torch and faiss: one small file each, workers that take Arrow batches and give Arrow batches."""
