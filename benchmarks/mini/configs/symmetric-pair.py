_base_ = ['./videomac.py']

# Each network reconstructs both frames; a step costs twice as much
model = dict(symmetric_pair=True)
