"""What `reelkeeper doctor` looks at, one room for each of the systems it concerns."""
