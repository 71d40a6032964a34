let seedCatalog = 0
