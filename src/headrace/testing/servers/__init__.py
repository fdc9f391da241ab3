"""Real servers that tests own: started in folders of their own, on free ports, and gone when their owner is."""
