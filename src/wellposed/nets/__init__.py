"""Networks: sizes and techniques in, `nn.Module` out; and any module as one program for a whole population."""
