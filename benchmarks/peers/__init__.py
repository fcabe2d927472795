"""The programs Reelkeeper's copy is held against, each as one would write it who has never heard of Reelkeeper."""
