"""Full-ranking evaluation, against RecBole."""
