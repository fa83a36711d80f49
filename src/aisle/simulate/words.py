"""Words that titles are made of: categories with their nouns and a typical price, brands, adjectives, colours."""

from __future__ import annotations

# Category -> (typical price, what is sold there).
CATEGORIES: dict[str, tuple[float, tuple[str, ...]]] = {
    "Backpacks": (55.0, ("Backpack", "Rucksack", "Daypack", "Laptop Bag", "Weekender", "Duffel", "Sling Bag", "Travel Pack")),
    "Bed Linen": (48.0, ("Duvet Cover", "Pillowcase", "Fitted Sheet", "Quilt", "Throw", "Bedspread", "Blanket", "Pillow")),
    "Board Games": (29.0, ("Strategy Game", "Card Game", "Puzzle", "Party Game", "Chess Set", "Dice Game", "Quiz", "Domino Set")),
    "Books": (14.0, ("Cookbook", "Novel", "Atlas", "Travel Guide", "Picture Book", "Biography", "Thriller", "Field Guide")),
    "Coffee": (22.0, ("Espresso Beans", "Filter Coffee", "French Press", "Moka Pot", "Frother", "Grinder", "Kettle", "Dripper")),
    "Cookware": (45.0, ("Frying Pan", "Saucepan", "Casserole", "Wok", "Stock Pot", "Grill Pan", "Roasting Tin", "Steamer")),
    "Cycling": (38.0, ("Helmet", "Bike Light", "Pannier", "Pump", "Saddle", "Bike Lock", "Gloves", "Bottle Cage")),
    "Dresses": (59.0, ("Midi Dress", "Summer Dress", "Wrap Dress", "Shirt Dress", "Maxi Dress", "Knit Dress", "Tunic", "Skirt")),
    "Fitness": (33.0, ("Yoga Mat", "Dumbbell", "Kettlebell", "Skipping Rope", "Foam Roller", "Bench", "Band Set", "Pull-Up Bar")),
    "Garden": (27.0, ("Planter", "Watering Can", "Secateurs", "Trellis", "Hose", "Bird Feeder", "Spade", "Garden Fork")),
    "Headphones": (89.0, ("Headphones", "Earbuds", "Headset", "Earphones", "Neckband", "Sport Earbuds", "Speaker", "Soundbar")),
    "Jackets": (95.0, ("Rain Jacket", "Down Jacket", "Parka", "Windbreaker", "Fleece", "Softshell", "Overcoat", "Gilet")),
    "Kids": (21.0, ("Building Blocks", "Toy Train", "Doll", "Soft Bear", "Play Tent", "Marble Run", "Scooter", "Toy Kitchen")),
    "Lamps": (62.0, ("Desk Lamp", "Floor Lamp", "Pendant", "Wall Light", "Table Lamp", "Lantern", "Spotlight", "Night Light")),
    "Laptops": (749.0, ("Laptop", "Notebook", "Convertible", "Ultrabook", "Mini PC", "Tablet", "Monitor", "Docking Station")),
    "Office": (19.0, ("Notebook", "Fountain Pen", "Desk Tidy", "Planner", "Stapler", "File Box", "Whiteboard", "Marker Set")),
    "Pets": (18.0, ("Dog Bed", "Cat Tree", "Leash", "Feeding Bowl", "Pet Carrier", "Chew Toy", "Scratching Post", "Collar")),
    "Phones": (429.0, ("Smartphone", "Phone Case", "Charger", "Power Bank", "Screen Guard", "Car Mount", "Stylus", "Cable")),
    "Running Shoes": (98.0, ("Road Shoe", "Trail Shoe", "Racing Flat", "Trainer", "Spike", "Recovery Shoe", "Walker", "Sandal")),
    "Skin Care": (17.0, ("Face Cream", "Serum", "Cleanser", "Sunscreen", "Body Lotion", "Face Mask", "Toner", "Hand Cream")),
    "Sofas": (680.0, ("Sofa", "Armchair", "Footstool", "Recliner", "Loveseat", "Sofa Bed", "Corner Sofa", "Chaise")),
    "Tea": (12.0, ("Green Tea", "Black Tea", "Herbal Tea", "Teapot", "Oolong", "Chai", "Tea Tin", "White Tea")),
    "Tools": (41.0, ("Drill", "Screwdriver Set", "Hammer", "Hand Saw", "Spirit Level", "Wrench Set", "Sander", "Toolbox")),
    "Watches": (165.0, ("Watch", "Chronograph", "Smartwatch", "Dive Watch", "Field Watch", "Strap", "Timer", "Clock")),
}  # fmt: skip

BRAND_STARTS = ("Nor", "Bel", "Kas", "Lum", "Ter", "Vel", "Ost", "Mar", "Fen", "Dal", "Cor", "Hal", "Ari", "Sol", "Wes", "Tam")
BRAND_ENDS = ("vik", "mont", "ora", "field", "wood", "ano", "berg", "line", "tex", "dale", "ique", "stad")

# By price level inside the category: cheap, usual, dear.
ADJECTIVES = (
    ("Basic", "Value", "Simple", "Everyday", "Compact", "Light"),
    ("Classic", "Modern", "Urban", "Cosy", "Active", "Smart", "Slim", "Nordic", "Original", "Natural"),
    ("Premium", "Deluxe", "Signature", "Handmade", "Heritage", "Professional"),
)
COLOURS = ("Black", "White", "Blue", "Green", "Red", "Sand", "Grey", "Olive", "Navy", "Rose", "Amber", "Teal")

SEGMENTS = ("A", "B", "C", "D", "E", "F", "G", "H")
COUNTRIES = ("GB", "DE", "FR", "ES", "IT", "NL", "PL", "SE", "US", "JP")
COUNTRY_SHARES = (0.28, 0.18, 0.13, 0.09, 0.08, 0.07, 0.06, 0.05, 0.04, 0.02)
