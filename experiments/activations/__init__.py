"""Evans 2020 (JPEG-ACT): training with compressed activations."""
