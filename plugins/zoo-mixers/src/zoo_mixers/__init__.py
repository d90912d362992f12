"""Mixers: linear (OMCDA Eq. 1), VDN and QMIX."""
