from hdfm.datasets.sales import load_complete_journey_sales, load_sales_sample
from hdfm.datasets.simulate import keep_sellers, simulate_sales

__all__ = ["keep_sellers", "load_complete_journey_sales", "load_sales_sample", "simulate_sales"]
