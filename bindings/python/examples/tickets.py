"""A help desk's tickets, made from templates: sentences for a sentence model, about nobody.

The questions and the help pages are written by hand, in other words than the templates. memory.py
uses all three.
"""

from __future__ import annotations

import itertools
import random
from typing import List, Tuple

TEAMS = ["accounts", "billing", "delivery", "returns", "devices", "network", "security", "training"]

_THINGS = [
    "laptop",
    "tablet",
    "phone",
    "printer",
    "monitor",
    "headset",
    "keyboard",
    "camera",
    "router",
    "charger",
    "dock",
    "speaker",
    "scanner",
    "projector",
    "mouse",
    "microphone",
]
_TIMES = ["this morning", "since Monday", "after the update", "for two days now", "last week", "again today"]
_PLACES = [
    "Leeds",
    "Lyon",
    "Turin",
    "Graz",
    "Porto",
    "Malmo",
    "Ghent",
    "Krakow",
    "Basel",
    "Bruges",
    "Cork",
    "Gdansk",
    "Lublin",
    "Nantes",
    "Tampere",
    "Zagreb",
]

# Of each team: sentences with slots, every one of which is filled in every way.
_TEMPLATES = {
    "accounts": [
        "I cannot log in to my account {time}.",
        "Please change the e-mail address of my account {time}, I moved to the office in {place}.",
        "My user name is not recognised {time}, although I registered in {place}.",
        "The link to reset my password does not arrive in {place} {time}.",
        "How do I delete the profile that I made for the {place} office?",
        "Please merge my two accounts, one is from {place}.",
    ],
    "billing": [
        "I was charged twice for the {thing} {time}.",
        "The invoice for my {thing} shows the wrong amount.",
        "Please send me a receipt for the {thing} that I bought {time}.",
        "My card was declined {time} when I paid for the {thing}.",
        "Why did the subscription for the {thing} become more expensive?",
        "The discount code was not applied to the price of the {thing}.",
    ],
    "delivery": [
        "My parcel with the {thing} has not arrived in {place}.",
        "The courier left the {thing} at the wrong door in {place}.",
        "Where is the shipment with my {thing}? Tracking has not changed {time}.",
        "Please deliver the {thing} to {place} instead.",
        "The box was damaged when the driver brought the {thing} {time}.",
        "Can the {thing} be shipped to {place} by Friday?",
    ],
    "returns": [
        "I want to send the {thing} back and get a refund.",
        "The {thing} is the wrong model, please exchange it.",
        "How long can I return a {thing} that I bought {time}?",
        "I returned the {thing} {time} and have not got my money back.",
        "Please send a return label for the {thing} to {place}.",
        "The {thing} does not fit, I would like another one in exchange.",
    ],
    "devices": [
        "The {thing} does not switch on {time}.",
        "The screen of my {thing} flickers {time}.",
        "My {thing} makes a strange noise {time}.",
        "The battery of the {thing} is empty after an hour {time}.",
        "The {thing} overheats and turns itself off {time}.",
        "A button of the {thing} is broken {time}.",
    ],
    "network": [
        "The wireless network in {place} is very slow {time}.",
        "I have no internet connection in the {place} office {time}.",
        "The VPN drops every few minutes {time} when I am in {place}.",
        "Video calls from {place} freeze {time}.",
        "The Wi-Fi signal does not reach the meeting rooms in {place}.",
        "Web pages time out in {place} {time}.",
    ],
    "security": [
        "I got a suspicious e-mail in {place} {time} that asks for my password.",
        "Somebody used my {thing} without permission {time}.",
        "My {thing} was stolen in {place}.",
        "I think there is a virus on my {thing} {time}.",
        "There was a sign-in from {place} that was not me.",
        "I clicked on a phishing link {time}, what should I do?",
    ],
    "training": [
        "Is there a course for beginners in {place}?",
        "Where do I find the tutorial for the {thing}?",
        "Please register our team in {place} for the workshop on the {thing}.",
        "When does the next webinar about the {thing} begin?",
        "I need the slides of the lesson on the {thing}.",
        "Can a trainer come to {place} and show us the {thing}?",
    ],
}

# Public: the titles of the help pages, two a team.
HELP_PAGES = {
    "accounts": ["Sign in and reset your password", "Change your user data"],
    "billing": ["Invoices, prices and payment", "Understand what you are charged"],
    "delivery": ["Follow your parcel", "When and where we ship"],
    "returns": ["Return or exchange a product", "How refunds work"],
    "devices": ["Repair a broken device", "Batteries, screens and heat"],
    "network": ["Connect to Wi-Fi and VPN", "When the internet is slow"],
    "security": ["Recognise phishing and viruses", "Report theft and misuse"],
    "training": ["Courses and webinars", "Tutorials for beginners"],
}

QUESTIONS = [
    ("The site says that my credentials are invalid.", "accounts"),
    ("I forgot my passphrase and need a new one.", "accounts"),
    ("My surname changed after the wedding, can you update my profile?", "accounts"),
    ("I would like to close my account for good.", "accounts"),
    ("There is a fee on my bank statement that I do not understand.", "billing"),
    ("Can I pay by bank transfer?", "billing"),
    ("The total on the bill includes tax that I should not pay.", "billing"),
    ("Why did you take money from my credit card two times?", "billing"),
    ("The postman never rang and my package went to the depot.", "delivery"),
    ("When will my order reach me?", "delivery"),
    ("The tracking number shows nothing.", "delivery"),
    ("My order was dropped off at a neighbour's house.", "delivery"),
    ("It is not what I ordered, I want my money back.", "returns"),
    ("How do I give an item back that I no longer want?", "returns"),
    ("When will my refund be paid?", "returns"),
    ("I would like to swap it for a larger one.", "returns"),
    ("The display stays black when I press the power button.", "devices"),
    ("It gets hot and the fan is loud.", "devices"),
    ("The charge lasts for half an hour only.", "devices"),
    ("One key is stuck and the hinge is cracked.", "devices"),
    ("My connection keeps dropping.", "network"),
    ("Downloads take forever at our branch.", "network"),
    ("The hotspot on the second floor is down.", "network"),
    ("I can't get online from the conference room.", "network"),
    ("A stranger seems to have access to my mailbox.", "security"),
    ("Is this message from the bank a scam?", "security"),
    ("Malware was found on my computer.", "security"),
    ("My bag with the work computer was taken on the train.", "security"),
    ("I am new here and would like to learn how to use the software.", "training"),
    ("Do you offer lessons?", "training"),
    ("Where can I watch the recording of the class?", "training"),
    ("We need an introduction for ten colleagues.", "training"),
]


def tickets(each: int, seed: int = 0) -> List[Tuple[str, str]]:
    """Different tickets (text, team), `each` of every team, in random order."""
    rng = random.Random(seed)
    made = []
    for team, templates in _TEMPLATES.items():
        filled = {
            template.format(thing=thing, time=time, place=place)
            for template, thing, time, place in itertools.product(templates, _THINGS, _TIMES, _PLACES)
        }
        made += [(text, team) for text in rng.sample(sorted(filled), each)]
    rng.shuffle(made)
    return made
